"""Google Cloud's VPC flow logs and logs of firewall rules, as entries of Cloud Logging in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from knockwatch.sources import Batch, Format, Reading
from knockwatch.sources._flow_conversations import FLOWS, folded
from knockwatch.sources._flow_outcomes import View
from knockwatch.sources._flow_records import flows
from knockwatch.sources._json_records import JsonRecords, value_at
from knockwatch.tables import ACCEPTED, DENIED, UNKNOWN

_VENDOR = "Google"
# Flows are a sample, so that a missing answer says nothing; what their bytes include is not told.
_VIEW = View(_VENDOR, "VPC Flow Logs", overhead=14, sampled=True)
_PAYLOAD = "jsonPayload."
_ENDS = {
    "source_ip": "connection.src_ip",
    "source_port": "connection.src_port",
    "destination_ip": "connection.dest_ip",
    "destination_port": "connection.dest_port",
    "protocol": "connection.protocol",
}
_OTHERS = (
    *("disposition", "rule_details.reference", "instance.vm_name"),
    *("reporter", "src_instance.vm_name", "dest_instance.vm_name", "start_time", "end_time"),
    *("bytes_sent", "packets_sent", "rtt_msec"),
)
_OUTCOMES = {"DENIED": DENIED, "ALLOWED": ACCEPTED}


class GcpLogs(JsonRecords):
    """Reader of both."""

    format = Format(
        "gcp-logs",
        "Google Cloud VPC flow logs and firewall rules logs",
        ("connections",),
        "documented",
        "docs.cloud.google.com: vpc/docs/about-flow-logs-records, firewall/docs/vpc-log-format, section Supported log "
        "fields; obsrvbl-oss/gcp-flowlogs-reader, tests",
    )
    keys = ("timestamp", "logName", *(_PAYLOAD + path for path in (*_ENDS.values(), *_OTHERS)))

    def belongs(self, record: Mapping[str, Any]) -> bool:
        """Tell the records by the connection in their payload."""
        told = ("disposition", "reporter", "packets_sent")
        return value_at(record, _PAYLOAD + _ENDS["source_ip"]) is not None and any(
            value_at(record, _PAYLOAD + name) is not None for name in told
        )

    def read(self, reading: Reading) -> Iterator[Batch]:
        """Fold both directions of a flow into one row; an entry of the firewall is a row."""
        yield from folded(super().read(reading), _VIEW, reading)

    def rows(self, records: pl.DataFrame, reading: Reading) -> Batch:
        """Read entries of either log; entries of a project's other logs are none of ours."""
        found = records.rename({name: name.removeprefix(_PAYLOAD) for name in records.columns})
        found = found.rename({theirs: ours for ours, theirs in _ENDS.items()})
        connected = pl.col("source_ip").is_not_null()
        strange = found.filter(~connected & pl.col("logName").is_null())
        found = found.filter(connected)
        ruled = pl.col("disposition").is_not_null()
        from_rules, unfit = _rules(found.filter(ruled), reading)
        from_flows, bad = flows(_flows(found.filter(~ruled)), reading.clock)
        odd = strange.select("line", pl.lit(None, dtype=pl.String).alias("text"))
        misfits = pl.concat([unfit, bad, odd]).sort("line")
        return Batch(records.height, {FLOWS: from_flows, "connections": from_rules}, misfits)


def _rules(found: pl.DataFrame, reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read entries of firewall rules: a rule that lets pass is not a service that answers."""
    told = found.with_columns(
        pl.col("timestamp").alias("time"),
        pl.col("instance.vm_name").alias("sensor"),
        pl.col("rule_details.reference").alias("rule"),
        pl.col("disposition").alias("action"),
    )
    read, bad = flows(told.select("line", "time", *_ENDS, "sensor", "rule", "action"), reading.clock)
    outcome = pl.col("action").str.to_uppercase().replace_strict(_OUTCOMES, default=UNKNOWN)
    rows = read.select(
        *("line", "time_us", "time", *_ENDS, "sensor", "rule", "action"),
        outcome.alias("outcome"),
        pl.when(outcome == ACCEPTED).then(statement=True).alias("forwarded"),
        pl.lit(_VENDOR).alias("vendor"),
        pl.lit("Firewall Rules Logging").alias("product"),
        pl.lit(1, dtype=pl.Int64).alias("event_count"),
    )
    return rows, bad


def _flows(found: pl.DataFrame) -> pl.DataFrame:
    """Give flow entries the names of flow records; a round trip that was measured was answered."""
    reports = pl.col("reporter").str.starts_with("SRC")
    return found.select(
        "line",
        *_ENDS,
        *("bytes_sent", "packets_sent"),
        # Entries are written long after the flow.
        pl.coalesce("start_time", "timestamp").alias("time"),
        pl.col("end_time").alias("last"),
        pl.when(reports).then("src_instance.vm_name").otherwise("dest_instance.vm_name").alias("sensor"),
        pl.when(pl.col("rtt_msec").is_not_null()).then(statement=True).alias("replied"),
    )


SOURCE = GcpLogs()
