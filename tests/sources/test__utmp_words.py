"""What is said of log-ins that only the host's own records tell of."""

import polars as pl
import pytest

from knockwatch.detections._log_ins import log_ins
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace
from knockwatch.sources._utmp_words import logged_in, refused
from tests.rows import put


def _said(user: str | None, terminal: str | None, source: str | None) -> tuple[str, str]:
    columns = (pl.lit(user, pl.String), pl.lit(terminal, pl.String), pl.lit(source, pl.String))
    return pl.select(logged_in(*columns).alias("in"), refused(*columns).alias("out")).row(0)


def test_what_is_not_known_is_not_said() -> None:
    assert _said("bui", "pts/0", None) == ("bui logged in on pts/0", "bui failed to log in on pts/0")
    assert _said(None, None, "192.0.2.7")[0] == "somebody logged in on ? from 192.0.2.7"


@pytest.mark.parametrize("source", ["192.0.2.7", "2001:db8:c::10", "::ffff:192.0.2.7"])
def test_a_log_in_from_another_host_is_one_for_the_detections(workspace: Workspace, source: str) -> None:
    told, failed = _said("bui", "pts/0", source)
    put(workspace, "messages", [{"program": "last", "message": text} for text in (told, failed)])
    with Engine(workspace) as engine:
        (row,) = engine.execute(log_ins(engine.tables()["messages"])).to_dicts()

    assert (row["source"], row["account"], row["port"]) == (source, "bui", None)


@pytest.mark.parametrize("source", [None, ":0", "host.example.org", "127.0.0.1", "::1"])
def test_a_log_in_at_the_host_itself_or_from_a_mere_name_is_none(
    workspace: Workspace, source: str | None
) -> None:
    put(workspace, "messages", [{"program": "wtmp", "message": _said("bui", "pts/0", source)[0]}])
    with Engine(workspace) as engine:
        assert engine.execute(log_ins(engine.tables()["messages"])).is_empty()


@pytest.mark.parametrize(
    ("program", "message", "source"),
    [
        (
            "openvpn",
            "16.17.4.3:28867 [joe-iphone] Peer Connection Initiated with [AF_INET]16.17.4.3:28867",
            ("16.17.4.3", "28867", "joe-iphone", "udp", 1194),
        ),
        (
            "ovpn-server",
            "192.0.2.7:5 [x] Peer Connection Initiated with [AF_INET]192.0.2.7:5 (via [AF_INET]198.51.100.1%eth1)",
            ("192.0.2.7", "5", "x", "udp", 1194),
        ),
        # A client's line, whose address is the server's.
        ("openvpn", "[server] Peer Connection Initiated with [AF_INET]52.17.178.171:1194", None),
        (
            "xrdp-sesman",
            "(1)(2)[INFO ] ++ created session (access granted): username root, ip ::ffff:192.168.2.1:5603 - socket: 12",
            ("192.168.2.1", "5603", "root", "tcp", 3389),
        ),
        ("xrdp-sesman", "[INFO ] AUTHFAIL: user=root ip=::ffff:192.0.2.7", None),
    ],
)
def test_other_daemons_of_linux_tell_of_log_ins(
    workspace: Workspace, program: str, message: str, source: tuple[object, ...] | None
) -> None:
    put(workspace, "messages", [{"program": program, "message": message}])
    with Engine(workspace) as engine:
        rows = engine.execute(log_ins(engine.tables()["messages"])).to_dicts()

    columns = ("source", "source_port", "account", "protocol", "port")
    assert [tuple(row[name] for name in columns) for row in rows] == ([source] if source else [])
