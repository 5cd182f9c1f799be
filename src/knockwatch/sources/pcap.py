"""Packet captures, pcap and pcapng: TCP, UDP and ICMP packets become connections, a row for each attempt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._capture_files import CaptureReader, Frames, is_capture
from knockwatch.sources._packet_connections import PacketConnections
from knockwatch.sources._packets import REASONS, packets_of

_SHOWN = 24
"""Bytes of a frame that is not understood which are shown."""


class Pcap:
    """Reader of captures. `line` is the frame's number."""

    format = Format(
        "pcap",
        "packet capture: pcap, pcapng",
        ("connections",),
        "verified",
        "draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; own lab, zeek and suricata-verify traces",
        numbered="frame",
    )

    def confidence(self, head: Head) -> float:
        """Certain by the magic bytes."""
        return 1.0 if is_capture(head.data) else 0.0

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read a capture piece by piece; a connection's row comes once it has ended, or been silent for long."""
        connections, reader = PacketConnections(), CaptureReader()
        for frames in reader.read(reading.evidence.chunks()):
            packets, bad = packets_of(frames)
            ended = connections.take(frames, packets)
            yield Batch(len(frames.start), {"connections": ended}, _misfits(frames, bad))
        yield Batch(0, {"connections": connections.rest()})
        if reader.problem:
            reading.evidence.problems.append(reader.problem)


def _misfits(frames: Frames, bad: npt.NDArray[np.int8]) -> pl.DataFrame:
    """Describe the frames that were not understood."""
    chosen = np.flatnonzero(bad)
    columns = (frames.start, frames.captured, frames.length, bad)
    texts = [
        f"frame of {length} bytes, {REASONS[reason]}: {frames.data[start : start + min(there, _SHOWN)].tobytes().hex()}"
        for start, there, length, reason in zip(*(column[chosen].tolist() for column in columns), strict=True)
    ]
    return pl.DataFrame(
        {"line": frames.number[chosen], "text": texts}, schema={"line": pl.Int64(), "text": pl.String()}
    )


SOURCE = Pcap()
