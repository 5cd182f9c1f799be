"""Microsoft's CommonSecurityLog as Parquet, as a data export of Sentinel has it: firewalls of three vendors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from knockwatch.emulation.planted import Site
from knockwatch.emulation.rates import Sensor
from knockwatch.emulation.stream import ICMP, TCP, UDP, Rows
from knockwatch.emulation.writers import Writer
from knockwatch.emulation.writers._text import addresses

_PROTOCOLS = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP"}
_APPLICATIONS = {53: "dns", 80: "web-browsing", 88: "kerberos", 389: "ldap", 443: "ssl", 445: "ms-ds-smb"}
_REPEATED = [
    *(
        "DeviceVendor",
        "DeviceProduct",
        "DeviceEventClassID",
        "Activity",
        "DeviceAction",
        "ApplicationProtocol",
    ),
    *("DeviceName", "Computer", "DestinationIP", "DestinationPort", "Protocol", "Type"),
]
"""Columns of few values, which Parquet stores as numbers of a dictionary."""
_WORDS = 12
"""Words of a sensor are dealt in proportion: as many as divide evenly by up to 4, and 6."""


class CommonSecurityLog(Writer):
    """Writer of CommonSecurityLog."""

    name = "common-security-log"
    title = "Microsoft's CommonSecurityLog, Parquet"
    suffix = ".parquet"
    source = "microsoft-parquet"

    def open(self, path: Path, site: Site) -> _File:
        """Begin a file."""
        return _File(path, site)


class _File:
    """A Parquet file; each slice is a row group."""

    def __init__(self, path: Path, site: Site) -> None:
        self.path = path
        self.estate = site.estate
        self.words = _words(self.estate.sensors)
        self.writer: pq.ParquetWriter | None = None

    def write(self, rows: Rows) -> None:
        """Add a row group."""
        table = self._table(rows)
        if self.writer is None:
            # Without Arrow's own schema readers see text where a dictionary only makes it small.
            self.writer = pq.ParquetWriter(
                self.path, table.schema, compression="snappy", use_dictionary=_REPEATED, store_schema=False
            )
        self.writer.write_table(table, row_group_size=len(rows))

    def close(self) -> None:
        """Write the footer."""
        if self.writer is not None:
            self.writer.close()

    def _table(self, rows: Rows) -> pa.Table:
        """Give the columns of rows."""
        sensor = self.estate.sensor(rows["destination"])
        sensors = self.estate.sensors
        ping = rows["protocol"] == ICMP
        word = (sensor.astype(np.int32) * 2 + rows["accepted"]) * _WORDS + rows["source_port"] % _WORDS
        columns: dict[str, Any] = {
            "TimeGenerated": pa.array(rows["time_us"], pa.timestamp("us", tz="UTC")),
            "DeviceVendor": _chosen(sensor, [one.vendor for one in sensors]),
            "DeviceProduct": _chosen(sensor, [one.product for one in sensors]),
            "DeviceEventClassID": _chosen(sensor, [one.class_id for one in sensors]),
            "Activity": _chosen(sensor, [one.activity for one in sensors]),
            "DeviceAction": _chosen(word, self.words),
            "ApplicationProtocol": _applications(rows),
            "DeviceName": _chosen(sensor, [one.name for one in sensors]),
            "Computer": _chosen(sensor, [one.name for one in sensors]),
            "SourceIP": addresses(rows["source"]).to_arrow(),
            "SourcePort": pa.array(rows["source_port"].astype(np.int32), mask=ping),
            "DestinationIP": addresses(rows["destination"]).to_arrow(),
            "DestinationPort": pa.array(rows["destination_port"].astype(np.int32), mask=ping),
            "Protocol": _chosen(
                np.searchsorted(sorted(_PROTOCOLS), rows["protocol"]),
                [_PROTOCOLS[n] for n in sorted(_PROTOCOLS)],
            ),
            "SentBytes": pa.array(rows["sent"].astype(np.int64)),
            "ReceivedBytes": pa.array(rows["received"].astype(np.int64)),
            "Type": _chosen(np.zeros(len(rows), np.uint8), ["CommonSecurityLog"]),
        }
        return pa.table(columns)


def _chosen(index: npt.NDArray[Any], texts: Sequence[str]) -> pa.DictionaryArray:
    """Give one of some texts for each row."""
    # Arrow takes a dictionary for one without doubles: with them its files differ from run to run.
    distinct = list(dict.fromkeys(texts))
    place = np.array([distinct.index(text) for text in texts], np.int16)
    return pa.DictionaryArray.from_arrays(pa.array(place[index]), pa.array(distinct))


def _words(sensors: tuple[Sensor, ...]) -> list[str]:
    """List what sensors say of what they deny and accept, each word as often as it is said."""
    return [
        said[number % len(said)]
        for one in sensors
        for said in (one.denied, one.accepted)
        for number in range(_WORDS)
    ]


def _applications(rows: Rows) -> pa.DictionaryArray:
    """Name the application of what was let in, as firewalls that look inside do."""
    known = np.zeros(65_536, np.int16)
    known[list(_APPLICATIONS)] = range(2, len(_APPLICATIONS) + 2)
    found = np.where(rows["accepted"] == 1, np.where(known == 0, 1, known)[rows["destination_port"]], 0)
    return _chosen(found, ["not-applicable", "unknown-tcp", *_APPLICATIONS.values()])


WRITER = CommonSecurityLog()
