"""Packet captures, pcap and pcapng: TCP, UDP and ICMP packets become connections, a row for each attempt."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from knockwatch._compiled import worthwhile
from knockwatch.sources import Batch, Format, Head, Reading
from knockwatch.sources._capture_files import CaptureReader, Frames, is_capture
from knockwatch.sources._open_connections import Columns
from knockwatch.sources._packet_connections import Connections, PacketConnections, Piece
from knockwatch.sources._packet_rows import hexadecimal, rows
from knockwatch.sources._packets import REASONS

Item = TypeVar("Item")

_PIECE_BYTES = 16 << 20
"""Read at a time: what is done once for each piece, and to wait for each other, costs less the fewer there are."""
_QUICK = 4
"""How many bytes of a capture are read in columns in the time that one byte of text is read in."""
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
        """Read a capture piece by piece; a connection's row comes once it has ended, or been silent for long.

        While packets become connections, those of the next piece are read, and connections that have ended written.
        """
        if not worthwhile(reading.evidence.size // _QUICK):
            return _read(reading, CaptureReader(), PacketConnections())
        from knockwatch.sources._compiled_connections import CompiledConnections, follow

        return _read(reading, CaptureReader(follow), CompiledConnections())


def _read(reading: Reading, reader: CaptureReader, connections: Connections[Piece]) -> Iterator[Batch]:
    """Read a capture; see `Pcap.read`."""

    def pieces() -> Iterator[tuple[int, pl.DataFrame | None, Piece]]:
        for frames in reader.read(reading.evidence.chunks(_PIECE_BYTES)):
            piece = connections.prepare(frames)
            misfits = _misfits(frames, piece.bad) if piece.bad.any() else None
            yield len(frames.start), misfits, piece

    def ended() -> Iterator[tuple[int, pl.DataFrame | None, Columns]]:
        for records, misfits, piece in _ahead(reading.executor, pieces()):
            connections.take(piece)
            yield records, misfits, connections.ended()
        yield 0, None, connections.rest()

    def batch(piece: tuple[int, pl.DataFrame | None, Columns]) -> Batch:
        records, misfits, columns = piece
        return Batch(records, {"connections": rows(columns)}, misfits)

    yield from reading.map(batch, ended())
    if reader.problem:
        reading.evidence.problems.append(reader.problem)


def _ahead(executor: Executor | None, items: Iterator[Item]) -> Iterator[Item]:
    """Have each item made while the one before it is used."""
    if executor is None:
        yield from items
        return
    coming = executor.submit(next, items, None)
    while (item := coming.result()) is not None:
        coming = executor.submit(next, items, None)
        yield item


def _misfits(frames: Frames, bad: npt.NDArray[np.int8]) -> pl.DataFrame:
    """Describe the frames that were not understood."""
    chosen = np.flatnonzero(bad)
    every = np.ndarray((len(frames.data) - _SHOWN + 1,), f"V{_SHOWN}", frames.data, 0, (1,))
    heads = every[frames.start[chosen]].view(np.uint8).reshape(len(chosen), _SHOWN)
    described = pl.DataFrame(
        {
            "line": frames.number[chosen],
            "length": frames.length[chosen],
            "reason": bad[chosen],
            "head": hexadecimal(heads, np.minimum(frames.captured[chosen], _SHOWN)),
        }
    )
    reason = pl.col("reason").replace_strict(REASONS, return_dtype=pl.String)
    return described.select(
        "line", pl.format("frame of {} bytes, {}: {}", "length", reason, "head").alias("text")
    )


SOURCE = Pcap()
