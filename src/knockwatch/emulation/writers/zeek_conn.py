"""Zeek's conn.log as text, as a sensor beside the servers writes it."""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, said
from knockwatch.emulation.writers._zeek_fields import with_zeek

_FIELDS = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig "
    "local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
)
_TYPES = (
    "time string addr port addr port enum string interval count count string bool bool count string count count count "
    "count set[string]"
)
_HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\t"
    + _FIELDS.replace(" ", "\t")
    + "\n#types\t"
    + _TYPES.replace(" ", "\t")
    + "\n"
)
_BEFORE = ("ts", "uid", "source", "orig_p", "destination", "resp_p", "protocol")
_AFTER = ("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    history = pl.when(pl.col("history") == "").then(pl.lit("-")).otherwise("history")
    counts = ("duration", "orig_bytes", "resp_bytes", "state")
    before = [part for name in _BEFORE for part in (pl.col(name), "\t")]
    middle = [part for name in counts for part in (pl.col(name), "\t")]
    after = [part for name in _AFTER for part in (pl.col(name), "\t")]
    line = said(*before, "-\t", *middle, "-\t-\t0\t", history, "\t", *after, "-")
    return with_zeek(rows).select(line).to_series()


WRITER = LineWriter("zeek-conn", "Zeek conn.log, text", ".log", "zeek-conn", _lines, _HEADER)
