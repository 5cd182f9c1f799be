"""The specification's three branches, against its KQL run by an oracle over the exported views."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockwatch.config import EvidenceSettings
from knockwatch.detections import daemon_activity
from knockwatch.engines.embedded import Engine
from knockwatch.ingest import Workspace, ingest
from knockwatch.specification import specification_findings, specification_kql, specification_union
from knockwatch.views import export, views
from tests.oracle import Rows, branches, oracle_rows, our_rows
from tests.rows import put, us

START = us("2026-11-22 11:00:00")
SECOND = 1_000_000
EVERY_BRANCH = {
    "KnockSequenceTriggered",
    "KnockSequenceInProgress",
    "KnockDaemonRunning",
    "KnockdGeneralActivity",
    "RapidSequentialPortsDenied",
    "KnockClientToolExecution",
}
COLUMNS = [
    "TimeGenerated",
    "Computer",
    "HostName",
    "ProcessName",
    "SyslogMessage",
    "DetectionBranch",
    "SourceIP",
    "DeviceName",
    "DeviceProduct",
    "DistinctPortsHit",
    "PortSequence",
    "TotalPackets",
    "KnockDurationSec",
    "AccountName",
    "FileName",
    "ProcessCommandLine",
    "InitiatingProcessFileName",
    "InitiatingProcessCommandLine",
]


OWN, SEED = "the project's own", "the seed's"


@pytest.fixture(scope="module")
def seed(request: pytest.FixtureRequest) -> str | None:
    """The KQL everyone starts from, verbatim; None where it is not beside the corpus."""
    try:
        corpus: Path = request.getfixturevalue("corpus")
    except pytest.skip.Exception:
        return None
    path = corpus.parent / "seed" / "T1205.001.kql"
    return path.read_text("utf-8") if path.is_file() else None


@pytest.fixture(scope="module", params=[OWN, SEED])
def kql(request: pytest.FixtureRequest, seed: str | None) -> str:
    """The specification in KQL: in the project's words, and as everyone starts from it."""
    if request.param == OWN:
        return specification_kql()
    if seed is None:
        pytest.skip("the specification's KQL is not at seed/T1205.001.kql beside the corpus")
    return seed


@dataclass(frozen=True)
class Compared:
    """Evidence in a workspace, its export, and what our union finds in it."""

    folder: Path
    ours: Rows


@contextmanager
def compared(workspace: Workspace) -> Iterator[Compared]:
    """Export a workspace once, for any number of queries."""
    with tempfile.TemporaryDirectory() as folder:
        export(workspace, Path(folder))
        yield Compared(Path(folder), our_rows(workspace))


@pytest.fixture(scope="module")
def bounds() -> Iterator[Compared]:
    """Evidence on both sides of every bound, word and term."""
    with Workspace.temporary() as workspace:
        put(workspace, "connections", [*around_every_bound(), *every_action()])
        put(workspace, "messages", [message(text, program) for text, program in product(TERMS, PROGRAMS)])
        put(workspace, "messages", [message("knockd", "knockd", time) for time in (None, 0, 1)])
        put(
            workspace,
            "processes",
            [process(image, f"x {option} y") for image, option in product(IMAGES, OPTIONS)],
        )
        put(workspace, "processes", [process("knock", "knock", time) for time in (None, 0, 1)])
        with compared(workspace) as views:
            yield views


@pytest.fixture(scope="module", params=["lab-a", "public"])
def real(request: pytest.FixtureRequest, corpus: Path) -> Iterator[tuple[str, Compared]]:
    """Real evidence: the lab's with knocks, and others' without any."""
    with Workspace.temporary() as workspace:
        ingest([str(corpus / request.param)], EvidenceSettings(), workspace)
        with compared(workspace) as views:
            yield request.param, views


def burst(
    source: str | None, ports: list[int | None], times: list[int], **more: Any
) -> Iterator[dict[str, Any]]:
    """Make the rows of one run."""
    for port, time in zip(ports, times, strict=True):
        yield {
            "time_us": time,
            "source_ip": source,
            "destination_ip": "203.0.113.10",
            "destination_port": port,
            "protocol": "tcp",
            "outcome": "denied",
            "sensor": "fw1",
            "product": "netfilter",
            **more,
        }


def around_every_bound() -> Iterator[dict[str, Any]]:
    """Make runs on both sides of each bound: ports, packets, seconds, whole or not, and minutes."""
    grid = product((2, 3, 8, 9), (2, 3, 12, 13), (0, 999_999, SECOND, 30 * SECOND, 30_999_999, 31 * SECOND))
    for number, (ports, packets, span) in enumerate(grid):
        if packets < ports:
            continue
        for offset in (0, 500_000, 29 * SECOND, 59_500_000):
            times = [START + offset + span * step // (packets - 1) for step in range(packets)]
            yield from burst(
                f"198.18.{number}.{offset // 500_000}",
                [7000 + step % ports for step in range(packets)],
                times,
            )


ACTIONS = [
    "Deny",
    "deny",
    "DENY",
    "dRoP",
    "Drop",
    "BLOCK",
    "Reject",
    "reject",
    "Denied",
    "reset-both",
    "deny ",
    "",
    None,
]


def every_action() -> Iterator[dict[str, Any]]:
    """Make a run for each word, and for values that are missing."""
    times = [START, START + SECOND, START + 2 * SECOND]
    for number, action in enumerate(ACTIONS):
        for outcome in ("denied", "refused", "unanswered", "accepted", None):
            yield from burst(
                f"198.19.{number}.1", [1, 2, 3], times, action=action, outcome=outcome, sensor=outcome
            )
    for number, sensor in enumerate(["", None, "fw"]):
        yield from burst(f"198.20.{number}.1", [1, 2, 3], times, sensor=sensor, product=None)
    yield from burst("", [1, 2, 3], times)
    yield from burst(None, [1, 2, 3], times)
    yield from burst("198.21.0.1", [1, 2, None, 3], [*times, times[-1]])
    yield from burst("198.21.0.2", [1, 2, None, None], [*times, times[-1]])
    yield from burst("198.21.0.3", [0, 1, 65535], times)
    yield from burst("198.21.0.4", [1, 2, 3], [0, SECOND, 2 * SECOND])


TERMS = [
    *(
        "knockd",
        "knockdx",
        "xknockd",
        "knockd_",
        "_knockd",
        "knockd2",
        "éknockd",
        "knockdß",
        "KNOCKD",
        "knock d",
    ),
    *("fwknop", "fwknop_", "fwknopd", "FwKnop", "knock sequence", "knock  sequence", "knock sequences"),
    *(
        "OPEN SESAME",
        "OPEN SESAME!",
        "open sesame",
        "OPENSESAME",
        "xOPEN SESAME",
        "OPEN SESAMEs",
        "OPEN-SESAME",
    ),
    *(
        "Opening port",
        "Opening ports",
        "opening port 22",
        "Stage 1",
        "Stage 10",
        "stage 1",
        "Stage1",
        "Stage 2",
    ),
    *(
        "Stage 3",
        "Stage 4",
        "correct knock",
        "incorrect knock",
        "sequence complete",
        "sequence completed",
        "",
        "ſtage 1",
    ),
]
PROGRAMS = ["knockd", "Knockd", "knockd ", "fwknopd", "fwknop", "sshd", "", None]
OPTIONS = [
    *(
        "--syn",
        "--SYN",
        "--synack",
        "x--syn",
        "-S",
        "-s",
        "-Sx",
        "x-S",
        "-S1",
        "-S_",
        "--tcp",
        "--tcp-connect",
        "--tcpx",
    ),
    *(
        "--knock-port",
        "--knock-port=1",
        "--knock-ports",
        "-knock",
        "--knock",
        "port-knock",
        "-knockd",
        "knock",
    ),
    *(
        "/etc/knockd.conf",
        "/etc/knockd.conf.bak",
        "/x/etc/knockd.conf",
        "knockd.conf",
        "xknockd.conf",
        "knockdxconf",
        "",
    ),
]
IMAGES = [
    *(
        "/usr/bin/knock",
        "KNOCK",
        "knock.exe",
        r"C:\tools\Knock.exe",
        "knocker",
        "fwknop",
        "/opt/FWKNOP.EXE",
        "fwknopd",
    ),
    *(
        "hping3",
        "/usr/sbin/HPING3",
        "hping3.exe",
        "hping",
        "nping",
        "nping.exe",
        "/bin/bash",
        "/usr/bin/",
        "",
        None,
    ),
]


def message(text: str, program: str | None, time: int | None = START) -> dict[str, Any]:
    return {"time_us": time, "host": "srv1", "program": program, "message": text}


def process(image: str | None, command: str, time: int | None = START) -> dict[str, Any]:
    return {"time_us": time, "host": "ws1", "user": "alice", "image": image, "command_line": command}


def test_it_equals_its_kql_around_every_bound(bounds: Compared, kql: str) -> None:
    expected = oracle_rows(bounds.folder, kql)
    assert bounds.ours == expected
    assert set(branches(expected)) == EVERY_BRANCH


GLUE = st.sampled_from(["", " ", "-", "_", ":", ".", "\n", "é", "9"])
TEXT = st.builds(
    lambda first, parts: first + "".join(glue + part for glue, part in parts),
    st.sampled_from(["", "a", " ", "_"]),
    st.lists(st.tuples(GLUE, st.sampled_from(TERMS + OPTIONS)), max_size=3),
)
MESSAGES = st.builds(message, TEXT, st.sampled_from(PROGRAMS), st.integers(START, START + 100 * SECOND))
PROCESSES = st.builds(process, st.sampled_from(IMAGES), TEXT, st.integers(START, START + 100 * SECOND))


@st.composite
def runs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a run of packets near the bounds, anywhere in a minute."""
    packets = draw(st.integers(1, 14))
    ports = draw(st.lists(st.sampled_from([None, *range(1, 10)]), min_size=packets, max_size=packets))
    begin = START + draw(st.integers(0, 120 * SECOND))
    span = draw(st.sampled_from([0, 1, 999_999, SECOND, 15 * SECOND, 30 * SECOND, 30_999_999, 31 * SECOND]))
    offsets = [0, span, *draw(st.lists(st.integers(0, span), min_size=packets, max_size=packets))]
    source = draw(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "", None]))
    sensor = draw(st.sampled_from(["fw1", "FW1", "", None]))
    action = draw(st.sampled_from(ACTIONS))
    return list(
        burst(source, ports, [begin + offset for offset in offsets[:packets]], sensor=sensor, action=action)
    )


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    drawn=st.lists(runs(), min_size=5, max_size=40),
    spoken=st.lists(MESSAGES, min_size=10, max_size=60),
    started=st.lists(PROCESSES, min_size=10, max_size=60),
)
def test_it_equals_its_kql_on_generated_evidence(
    seed: str | None,
    drawn: list[list[dict[str, Any]]],
    spoken: list[dict[str, Any]],
    started: list[dict[str, Any]],
) -> None:
    with Workspace.temporary() as workspace:
        put(workspace, "connections", [row for run in drawn for row in run])
        put(workspace, "messages", spoken)
        put(workspace, "processes", started)
        with compared(workspace) as views:
            for text in filter(None, (specification_kql(), seed)):
                assert views.ours == oracle_rows(views.folder, text)


def test_it_equals_its_kql_on_exported_rows_with_nulls(
    workspace: Workspace, tmp_path: Path, kql: str
) -> None:
    put(
        workspace,
        "CommonSecurityLog",
        [
            {
                "TimeGenerated": f"2026-11-22 11:00:0{second}",
                "SourceIP": "192.0.2.1",
                "DestinationPort": str(second),
                **more,
            }
            for second in range(4)
            for more in (
                {"DeviceName": None, "DeviceAction": "Deny"},
                {"DeviceName": "", "DeviceAction": "DROP"},
            )
        ],
    )
    with compared(workspace) as views:
        expected = oracle_rows(views.folder, kql)
        assert views.ours == expected
    # Kusto's strings are never null: a missing device and an empty one are one group of eight packets.
    assert [dict(row)["TotalPackets"] for row in expected] == [8]


@pytest.mark.corpus
def test_it_equals_its_kql_on_real_evidence(
    real: tuple[str, Compared], kql: str, record_property: Callable[[str, object], None]
) -> None:
    name, views = real
    expected = oracle_rows(views.folder, kql)
    assert views.ours == expected
    counts = branches(expected)
    record_property("rows", dict(counts))
    print(f"{name}: {sum(counts.values())} rows, {dict(counts)}")  # noqa: T201
    # The public samples are too short for a run, and name no daemon and no client.
    assert set(counts) == (EVERY_BRANCH - {"KnockdGeneralActivity"} if name == "lab-a" else set())


def test_the_union_has_the_kqls_columns_newest_first(workspace: Workspace) -> None:
    put(workspace, "messages", [message("OPEN SESAME", "x", START + step) for step in (0, 2, 1)])
    put(workspace, "processes", [process("knock", "knock h 1", START + 3)])
    with Engine(workspace) as engine:
        table = engine.execute(specification_union(views(engine.tables())))
    assert table.columns == COLUMNS
    times = table["TimeGenerated"].to_list()
    assert len(times) == 4
    assert times == sorted(times, reverse=True)


def test_a_run_is_reported_with_literal_values(workspace: Workspace) -> None:
    put(
        workspace,
        "connections",
        burst("192.0.2.1", [9000, 7000, 8000, 7000], [START + s * SECOND for s in (1, 2, 3, 4)]),
    )
    with Engine(workspace) as engine:
        [row] = engine.execute(specification_union(views(engine.tables()))).to_dicts()
    assert sorted(row.pop("PortSequence")) == [7000, 8000, 9000]
    assert str(row.pop("TimeGenerated")) == "2026-11-22 11:00:01"
    assert {name: value for name, value in row.items() if value is not None} == {
        "DetectionBranch": "RapidSequentialPortsDenied",
        "SourceIP": "192.0.2.1",
        "DeviceName": "fw1",
        "DeviceProduct": "netfilter",
        "DistinctPortsHit": 3,
        "TotalPackets": 4,
        "KnockDurationSec": 3,
    }


@pytest.mark.parametrize(
    ("text", "program", "label"),
    [
        ("198.51.100.10: openSSH: OPEN SESAME", "knockd", "KnockSequenceTriggered"),
        ("198.51.100.10: openSSH: Stage 2", "knockd", "KnockSequenceInProgress"),
        ("starting up, listening on eth0", "knockd", "KnockDaemonRunning"),
        ("apt: installed knockd", "apt", "KnockdGeneralActivity"),
        ("Stage 2", "rocket", None),
        ("Stage 10", "rocket", None),
        ("xknockd", "apt", None),
    ],
)
def test_a_message_gets_the_first_label_that_fits(
    workspace: Workspace, text: str, program: str, label: str | None
) -> None:
    put(workspace, "messages", [message(text, program)])
    with Engine(workspace) as engine:
        table = engine.execute(daemon_activity.DETECTION.specification(views(engine.tables())))
    assert table["DetectionBranch"].to_list() == ([label] if label else [])


def test_rows_of_the_union_become_findings(workspace: Workspace) -> None:
    put(workspace, "messages", [message("198.51.100.10: openSSH: OPEN SESAME", "knockd", START + 9 * SECOND)])
    put(workspace, "connections", burst("192.0.2.1", [3, 1, 2], [START, START + SECOND, START + 2 * SECOND]))
    put(workspace, "processes", [process("/usr/bin/knock", "knock 203.0.113.10 7000", START + 5 * SECOND)])
    with Engine(workspace) as engine:
        findings = specification_findings(engine.execute(specification_union(views(engine.tables()))))
    assert [(finding.kind, finding.sources, finding.start_us - START) for finding in findings] == [
        ("daemon", ("198.51.100.10",), 9 * SECOND),
        ("client", (), 5 * SECOND),
        ("signal", ("192.0.2.1",), 0),
    ]
    assert [finding.conclusive for finding in findings] == [True, False, False]
    assert findings[2].end_us - START == 2 * SECOND
