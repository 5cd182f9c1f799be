"""Cisco ASA's messages in syslog: 106023 of what was denied, 302014 and 302016 of what has ended; whole seconds.

"Cisco Secure Firewall ASA Series Syslog Messages". The begin of sessions (302013) is left out,
as sites do to save room.
"""

from __future__ import annotations

import polars as pl

from knockwatch.emulation.writers._text import LineWriter, of_protocol, said


def _lines(rows: pl.DataFrame) -> pl.Series:
    """Write the lines."""
    stamp = (pl.col("time").dt.strftime("%b %e %Y %H:%M:%S "), pl.col("sensor"), " : ")
    source, destination = pl.col("source"), pl.col("destination")
    ends = ("outside:", source, "/", pl.col("source_port"))
    aim = (" dmz:", destination, "/", pl.col("destination_port"))
    ping = said(
        "%ASA-4-106023: Deny icmp src outside:", source, " dst dmz:", destination, " (type 8, code 0)"
    )
    plain = said("%ASA-4-106023: Deny ", pl.col("protocol"), " src ", *ends, " dst", *aim)
    tcp = pl.col("protocol") == "tcp"
    ended = said(
        pl.when(tcp)
        .then(pl.lit("%ASA-6-302014: Teardown TCP"))
        .otherwise(pl.lit("%ASA-6-302016: Teardown UDP")),
        " connection ",
        pl.col("number"),
        " for ",
        *ends,
        " to",
        *aim,
        " duration 0:00:00 bytes ",
        pl.col("sent") + pl.col("received"),
        pl.when(tcp).then(pl.lit(" TCP FINs")).otherwise(pl.lit("")),
    )
    denied = said(of_protocol(plain, plain, ping), ' by access-group "outside_in" [0x0, 0x0]')
    accepted = pl.col("accepted")
    line = said(
        pl.when(accepted).then(pl.lit("<166>")).otherwise(pl.lit("<164>")),
        *stamp,
        pl.when(accepted).then(ended).otherwise(denied),
    )
    return rows.select(line).to_series()


WRITER = LineWriter("cisco-asa", "Cisco ASA messages in syslog", ".log", "syslog", _lines)
