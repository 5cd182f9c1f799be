"""Log-ins from other hosts that records tell of by fields alone, as messages in the words that programs use themselves.

So whoever knows the lines of sshd and of Windows knows these. What a record calls its fields is its source's business.
"""

from __future__ import annotations

import polars as pl

from knockwatch.sources._utmp_words import logged_in, refused
from knockwatch.sources._windows_fields import SECURITY
from knockwatch.sources._windows_values import pairs

_SSH = r"^sshd\b"
_FIELDS = {
    "logon_type": "LogonType",
    "address": "IpAddress",
    "port": "IpPort",
    "account": "TargetUserName",
    "domain": "TargetDomainName",
}
LOG_IN: dict[str, pl.DataType] = {
    **{name: pl.String() for name in ("program", "logon_type", "address", "account", "domain")},
    "port": pl.Int64(),
    "succeeded": pl.Boolean(),
}
"""What is asked of a record, besides what every message has: who let somebody in, Windows' number of the kind of
log-on, from where, and as whom."""


def log_in_messages(records: pl.DataFrame) -> pl.DataFrame:
    """Write a message of each record.

    Parameters
    ----------
    records
        `line`, `time_us`, `time`, `host`, and columns of `LOG_IN`; those without an address or an account tell of no
        log-in from another host.

    Returns
    -------
    polars.DataFrame
        Rows of the table `messages`: sshd's line where it was sshd, Windows' event where a kind of log-on is named,
        else the words that are used for utmp's records.
    """
    told = records.filter(
        pl.col("address").is_not_null(), pl.col("account").is_not_null(), pl.col("succeeded").is_not_null()
    ).with_columns(pl.col("port").cast(pl.String), pl.col("account").str.replace_all(r"\s+", " "))
    ssh = pl.col("program").str.contains(_SSH).fill_null(value=False) & pl.col("port").is_not_null()
    windows = ~ssh & pl.col("logon_type").is_not_null()
    succeeded = pl.col("succeeded")
    by_ssh = pl.concat_str(
        pl.when(succeeded).then(pl.lit("Accepted authentication")).otherwise(pl.lit("Failed authentication")),
        *(pl.lit(" for "), "account", pl.lit(" from "), "address", pl.lit(" port "), "port", pl.lit(" ssh2")),
    )
    who = (pl.col("account"), pl.col("program"), pl.col("address"))
    message = (
        pl.when(ssh).then(by_ssh)
        .when(windows & succeeded).then(pairs(4624, _FIELDS))
        .when(windows).then(pairs(4625, _FIELDS))
        .when(succeeded).then(logged_in(*who))
        .otherwise(refused(*who))
    )  # fmt: skip
    return told.select(
        *("line", "time_us", "time", "host"),
        pl.when(windows).then(pl.lit(SECURITY)).otherwise("program").alias("program"),
        message.alias("message"),
    )
