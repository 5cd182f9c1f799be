"""Packets exported as JSON: `tshark -T json` with whole dissections or chosen fields (-e), and `-T ek`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._json_records import JsonRecords
from knockwatch.sources._tshark import FIELDS, NAMES, PACKETS, connections, known, packets

_LAYERS = ("_source.layers", "layers")
_EXPORTED = {name: name for name in NAMES} | {name.replace(".", "_"): name for name in NAMES}
"""Fields by their names in JSON; `-T ek` writes underscores, behind the name of the protocol."""


class TsharkJson(JsonRecords):
    """Reader of tshark's JSON."""

    format = Format(
        "tshark-json",
        "packets of tshark -T json and -T ek",
        ("connections",),
        "verified",
        "tshark(1), -T json, -T ek; own lab",
        numbered="record",
    )
    keys = (*_LAYERS, "index")

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell packets by their layers; `-T ek` has a line that names the index before each."""
        inner = record.get("_source")
        layers = inner.get("layers") if isinstance(inner, dict) else record.get("layers")
        if isinstance(layers, dict):
            return "frame" in layers or known(_fields(layers))
        return set(record) == {"index"}

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Read the packets, and put them together to connections."""
        # A dissection has all fields, a choice of them those that its first packets show.
        yield from connections(super().read(reading), NAMES, reading)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read the fields of packets."""
        texts = records.select("line", pl.coalesce(_LAYERS).alias("layers")).drop_nulls()
        strange = records.filter(pl.all_horizontal(pl.col(self.keys).is_null()))
        values = [_of_layers(text) for text in texts["layers"]]
        schema = dict.fromkeys(FIELDS, pl.String())
        found = texts.select("line").hstack(pl.DataFrame(values, schema=schema, orient="row"))
        told, bad = packets(found, reading.clock)
        odd = strange.select("line", pl.lit(None, dtype=pl.String).alias("text"))
        return Batch(records.height, {PACKETS: told}, pl.concat([bad, odd]).sort("line"))


def _of_layers(text: str) -> list[str | None]:
    """Give a packet's fields in the order of `FIELDS`."""
    try:
        layers = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        layers = {}
    found = _fields(layers)
    return [next((found[name] for name in names if name in found), None) for names in FIELDS.values()]


def _fields(layers: Any) -> dict[str, str]:
    """Collect the fields that are read, wherever they nest; of one that comes several times all values."""
    found: dict[str, list[str]] = {}
    left = [layers] if isinstance(layers, dict) else []
    while left:
        layer = left.pop(0)
        for key, value in layer.items():
            if isinstance(value, dict):
                left.append(value)
                continue
            _, _, plain = key.partition("_")
            name = _EXPORTED.get(key) or _EXPORTED.get(plain)
            if name is not None:
                found.setdefault(name, []).extend(map(str, value if isinstance(value, list) else [value]))
    return {name: ",".join(values) for name, values in found.items()}


SOURCE = TsharkJson()
