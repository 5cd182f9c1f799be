"""Evaluation counts every way to be wrong as wrong, on small hand-made corpora and cases."""

import gzip
import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from knockwatch.cases import Attempt, Case, Entry
from knockwatch.clock import rfc3339
from knockwatch.config import Config
from knockwatch.errors import EvidenceError, UsageError
from knockwatch.evaluation import TOGETHER, CorpusError, ViewEvaluation, evaluate, judge, render_table
from knockwatch.evaluation.labels import Corpus, load

START = 1_795_346_600.0
SERVER, OTHER = "203.0.113.10", "203.0.113.11"
SECRET = ["tcp/7000", "tcp/8000", "tcp/9000"]
DOORS: dict[str, dict[str, Any]] = {
    "ssh": {
        "destinations": [SERVER, "2001:db8:5::10"],
        "service": "tcp/22",
        "signal": "sequence",
        "secret": SECRET,
    },
    "patient": {
        "destinations": [SERVER],
        "service": "tcp/22",
        "signal": "sequence",
        "secret": ["tcp/1", "tcp/2"],
    },
    "all": {"destinations": [OTHER], "service": "tcp/2222", "signal": "sequence", "secret": SECRET},
    "spa": {"destinations": [SERVER], "service": "tcp/22", "signal": "spa", "secret": None},
}


def event(name: str, at: float, source: str, kind: str = "knock", **more: Any) -> dict[str, Any]:
    """Label something that took two seconds, `at` seconds after the start."""
    opened = kind in ("knock", "spa")
    return {
        "id": name,
        "kind": kind,
        "title": f"title of {name}",
        "src": [source],
        "dst": SERVER,
        "door": "ssh" if opened else None,
        "start": START + at,
        "end": START + at + 2,
        "connect": {"port": 22, "time": START + at + 1.5, "ok": opened},
        **more,
    }


def when(at: float) -> str:
    text = rfc3339(round((START + at) * 1_000_000))
    assert text is not None
    return text


def attempt(source: str, at: float, complete: bool | None = True) -> Attempt:
    return Attempt(source, when(at), when(at + 1), complete, tuple(SECRET))


def entry(source: str, at: float, complete: bool | None = True) -> Entry:
    return Entry(source, when(at + 1.5), when(at + 2), complete)


def case(*uses: tuple[str, float], **more: Any) -> Case:
    """Make an alert on the door, of sources that knocked and entered."""
    made = Case(
        id="c1",
        kind="door",
        status="alert",
        signal="sequence",
        sources=[source for source, _ in uses],
        destination=SERVER,
        sequence=list(SECRET),
        door="tcp/22",
        attempts=[attempt(source, at) for source, at in uses],
        entries=[entry(source, at) for source, at in uses],
    )
    return replace(made, **more)


def write(folder: Path, *events: dict[str, Any], views: dict[str, Any] | None = None) -> Path:
    (folder / "labels.json").write_text(json.dumps(events))
    (folder / "doors.json").write_text(json.dumps(DOORS))
    if views is not None:
        (folder / "views.json").write_text(json.dumps(views))
    return folder


@pytest.fixture
def judged(tmp_path: Path) -> Any:
    """Judge cases against events, all held by the view."""

    def run(events: Sequence[dict[str, Any]], cases: Sequence[Case], **more: Any) -> ViewEvaluation:
        return judge(load(write(tmp_path, *events)), cases, **more)

    return run


A, B, C = "198.51.100.10", "198.51.100.11", "198.51.100.12"
TWO = [event("a", 0, A), event("b", 100, B)]


def test_what_is_right_counts_as_right(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (B, 100))])
    assert (
        result.counts
        | {
            "opened": 2,
            "found": 2,
            "door_right": 2,
            "signal_right": 2,
            "secrets": 1,
            "secrets_right": 1,
            "entries_known": 2,
        }
        == result.counts
    )
    assert result.misses == []


def test_saying_nothing_finds_nothing(judged: Any) -> None:
    result = judged(TWO, [])
    assert (result.counts["found"], result.counts["secrets_right"]) == (0, 0)
    assert [(miss.what, miss.id, miss.instead) for miss in result.misses if miss.id != "-"] == [
        ("not found", "a", f"no case names {A}"),
        ("not found", "b", f"no case names {B}"),
    ]


def test_a_wrong_source_is_not_found(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (C, 100))])
    assert result.counts["found"] == 1
    assert [miss.id for miss in result.misses if miss.what == "not found"] == ["b"]


def test_a_wrong_destination_is_not_found_and_explains_nothing(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (B, 100), destination=OTHER)])
    assert (result.counts["found"], result.counts["unexplained"]) == (0, 1)
    assert "at another destination: alert c1" in result.misses[0].instead


def test_no_destination_at_all_is_not_found(judged: Any) -> None:
    assert judged(TWO, [case((A, 0), destination=None)]).counts["found"] == 0


def test_another_address_of_the_same_host_is_right(judged: Any) -> None:
    assert judged(TWO, [case((A, 0), destination="2001:0db8:0005::0010")]).counts["found"] == 1


def test_a_wrong_door_is_found_but_its_signal_and_secret_count_for_nothing(judged: Any) -> None:
    counts = judged(TWO, [case((A, 0), (B, 100), door="tcp/80")]).counts
    assert counts["found"] == 2
    wrong = ("door_right", "signal_right", "secrets_right", "entries_known")
    assert [counts[name] for name in wrong] == [0, 0, 0, 0]


def test_a_wrong_time_is_not_found_although_the_source_is_named(judged: Any) -> None:
    late = case((A, 40), sources=[A, B])
    result = judged([TWO[0]], [late])
    assert result.counts["found"] == 0
    assert "at another time" in result.misses[0].instead


def test_the_tolerance_is_for_clocks(judged: Any) -> None:
    skewed = case((A, 9))
    assert judged([TWO[0]], [skewed]).counts["found"] == 0
    assert judged([TWO[0]], [skewed], tolerance=8).counts["found"] == 1


def test_a_source_that_is_only_named_must_fit_the_time_of_the_case(judged: Any) -> None:
    named = case(sources=[A], first_seen=when(0), last_seen=when(3))
    assert judged([TWO[0]], [named]).counts["found"] == 1
    assert judged([TWO[0]], [replace(named, first_seen=when(50), last_seen=when(60))]).counts["found"] == 0


def test_a_source_that_comes_back_is_not_found_by_luck(judged: Any) -> None:
    """The case is about the first visit; the second one of the same source was missed."""
    twice = [event("first", 0, A), event("second", 100, A)]
    assert [verdict.found for verdict in judged(twice, [case((A, 0))]).opened] == [True, False]
    named = case(sources=[A], first_seen=when(0), last_seen=when(102))
    assert [verdict.found for verdict in judged(twice, [named]).opened] == [False, False]


def test_an_attempt_that_spans_everything_is_not_found_by_luck(judged: Any) -> None:
    spanning = case(attempts=[Attempt(A, when(-500), when(500), None)], sources=[A])
    assert judged([TWO[0]], [spanning]).counts["found"] == 0


def test_windows_of_close_events_of_one_source_do_not_overlap(judged: Any) -> None:
    """The failed attempt comes 2 s after the entry: the entry is not its."""
    close = [event("a", 0, A), event("f", 4, A, "failed")]
    result = judged(close, [case((A, 0))])
    assert (result.counts["found"], result.counts["false_entries"]) == (1, 0)


def test_a_lead_is_no_alert(judged: Any) -> None:
    counts = judged(TWO, [case((A, 0), (B, 100), status="lead")]).counts
    assert (counts["found"], counts["by_lead"], counts["door_right"]) == (0, 2, 0)


def test_a_suppressed_case_finds_nothing_and_is_named(judged: Any) -> None:
    hidden = case((A, 0), status="suppressed", suppressed_by="context.administrators[0]")
    result = judged([TWO[0]], [hidden])
    assert result.counts["found"] == 0
    assert "suppressed by context.administrators[0]" in result.misses[0].instead


def test_a_lead_suffices_where_signal_and_entry_have_different_sources(judged: Any) -> None:
    relayed = event("o", 0, A, src=[A, B], dst=OTHER, door="all")
    relayed["connect"] = {"port": 2222, "time": START + 1.5, "ok": True, "src": C}
    lead = case((C, 0), status="lead", destination=OTHER, door="tcp/2222")
    result = judged([relayed], [lead])
    assert (result.counts["found"], result.counts["by_lead"], result.misses) == (0, 1, [])
    assert [miss.what for miss in judged([relayed], []).misses] == ["not found"]


def test_a_wrong_kind_of_signal_is_wrong(judged: Any) -> None:
    spa = event("h", 0, A, "spa", door="spa")
    assert judged([spa], [case((A, 0), sequence=["udp/62201"])]).counts["signal_right"] == 0
    assert judged([spa], [case((A, 0), signal="spa")]).counts["signal_right"] == 1


def test_decoys_in_the_secret_are_wrong(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (B, 100), sequence=["tcp/4242", *SECRET])])
    assert (result.counts["secrets_right"], result.counts["secrets"]) == (0, 1)
    assert [miss.instead for miss in result.misses] == ["tcp/4242 tcp/7000 tcp/8000 tcp/9000"]


def test_one_use_with_the_wrong_secret_spoils_it(judged: Any) -> None:
    split = [case((A, 0)), case((B, 100), id="c2", sequence=["tcp/1", "tcp/2"])]
    assert judged(TWO, split).counts["secrets_right"] == 0


def test_the_secret_of_a_door_used_once_is_not_asked(judged: Any) -> None:
    result = judged([TWO[0]], [case((A, 0), sequence=["tcp/4242", *SECRET])])
    assert (result.counts["secrets"], result.misses) == (0, [])


def test_a_case_of_another_door_of_the_same_service_has_the_wrong_secret(judged: Any) -> None:
    """Both doors hide tcp/22: the door is right by luck, the secret tells."""
    patient = [event("c", 200, C, door="patient"), event("d", 300, "198.51.100.13", door="patient")]
    lumped = case((A, 0), (B, 100), (C, 200), ("198.51.100.13", 300))
    result = judged([*TWO, *patient], [lumped])
    assert {secret.door: secret.right for secret in result.secrets} == {"ssh": True, "patient": False}


def test_right_parts_of_different_cases_make_no_right_case(judged: Any) -> None:
    parts = [case((A, 0), door="tcp/80"), case((A, 0), id="c2", signal="icmp", sequence=["tcp/1"])]
    verdict = judged([TWO[0]], parts).opened[0]
    assert (verdict.found, verdict.door, verdict.signal, verdict.secret) == (True, True, False, False)


def test_an_entry_of_another_source_is_not_this_ones(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (B, 100), entries=[entry(A, 0)])])
    assert [verdict.entry for verdict in result.opened] == [True, False]
    assert [(miss.what, miss.id) for miss in result.misses] == [("entry unknown", "b")]


def test_a_call_back_is_the_door_of_a_host_that_calls(tmp_path: Path) -> None:
    write(tmp_path, TWO[0])
    doors = {**DOORS, "ssh": {**DOORS["ssh"], "calls_back": True}}
    (tmp_path / "doors.json").write_text(json.dumps(doors))
    called = case((A, 0), kind="callback", door=None)
    verdict = judge(load(tmp_path), [called]).opened[0]
    assert (verdict.found, verdict.door, verdict.entry) == (True, True, True)
    assert not judge(load(tmp_path), [case((A, 0), door=None)]).opened[0].door


F = event("f", 50, C, "failed")


@pytest.mark.parametrize(
    ("attempts", "status", "known"),
    [
        pytest.param([attempt(C, 50, complete=False)], "alert", 1, id="a failed attempt of the alert"),
        pytest.param([attempt(C, 50, complete=None)], "alert", 1, id="an attempt with unknown outcome"),
        pytest.param([attempt(C, 50)], "alert", 0, id="said to be complete"),
        pytest.param([attempt(C, 50)], "lead", 1, id="a lead"),
        pytest.param([attempt(C, 150, complete=False)], "alert", 0, id="wrong time"),
        pytest.param([attempt(B, 50, complete=False)], "alert", 0, id="wrong source"),
        pytest.param([attempt(C, 50, complete=False)], "suppressed", 0, id="suppressed"),
        pytest.param([], "alert", 0, id="nothing"),
    ],
)
def test_a_failed_attempt_is_known_as_such(
    judged: Any, attempts: list[Attempt], status: str, known: int
) -> None:
    counts = judged([F], [case(attempts=attempts, status=status)]).counts
    assert (counts["failed"], counts["failed_known"], counts["false_entries"]) == (1, known, 0)


@pytest.mark.parametrize("status", ["alert", "lead"])
@pytest.mark.parametrize("complete", [True, None])
def test_an_entry_of_a_failed_attempt_is_false(judged: Any, status: str, complete: bool | None) -> None:
    said = case(attempts=[attempt(C, 50, complete=False)], entries=[entry(C, 50, complete)], status=status)
    result = judged([F], [said])
    assert (result.counts["failed_known"], result.counts["false_entries"]) == (1, 1)
    assert [miss.what for miss in result.misses] == ["false entry"]


def test_an_entry_that_is_said_to_have_failed_is_not_false(judged: Any) -> None:
    said = case(attempts=[attempt(C, 50, complete=False)], entries=[entry(C, 50, complete=False)])
    assert judged([F], [said]).counts["false_entries"] == 0


def test_a_false_entry_counts_in_views_that_do_not_hold_the_attempt(judged: Any) -> None:
    counts = judged([F], [case((C, 50))], signal=[], entry=[]).counts
    assert (counts["failed"], counts["false_entries"]) == (0, 1)


@pytest.mark.parametrize("kind", ["scan", "benign", "noise"])
@pytest.mark.parametrize("place", ["sources", "attempts", "entries"])
def test_an_innocent_in_an_alert_is_a_false_alert(judged: Any, kind: str, place: str) -> None:
    ways = {"sources": [A, C], "attempts": [attempt(C, 50)], "entries": [entry(C, 50)]}
    result = judged([TWO[0], event("i", 50, C, kind)], [case((A, 0), **{place: ways[place]})])
    assert result.counts["false_alerts"] == 1
    assert (result.false_alerts[0].innocents, result.false_alerts[0].events) == ((C,), ("i",))


def test_an_innocent_in_a_lead_is_none(judged: Any) -> None:
    assert judged([event("i", 50, C, "scan")], [case((C, 50), status="lead")]).counts["false_alerts"] == 0


def test_who_was_innocent_only_once_counts_by_time(judged: Any) -> None:
    both = [event("a", 0, A), event("i", 50, A, "benign")]
    assert judged(both, [case((A, 0))]).counts["false_alerts"] == 0
    assert judged(both, [case((A, 50))]).counts["false_alerts"] == 1


def test_an_alert_about_nothing_labelled_is_listed(judged: Any) -> None:
    result = judged(TWO, [case((A, 0), (B, 100)), case(("192.0.2.1", 0), id="c2")])
    assert [stray.case for stray in result.unexplained] == ["c2"]
    assert result.counts["false_alerts"] == 0


def test_an_alert_that_names_nobody_is_explained_by_the_times_of_all_it_tells(judged: Any) -> None:
    client = case(("unknown", 0), ("unknown", 100), kind="client", entries=[])
    later = replace(client, id="c2", attempts=[*client.attempts, attempt("unknown", 60)])
    silent = case(id="c3", kind="daemon")
    brief = case(id="c4", kind="change", first_seen=when(0), last_seen=when(1))
    result = judged(TWO, [client, later, silent, brief])
    assert {stray.case: stray.what.rpartition(", ")[2] for stray in result.unexplained} == {
        "c2": "1 of 3 times in no labelled event",
        "c3": "at no time",
    }


def test_a_hosts_name_means_the_host_where_most_of_what_it_tells_happened(judged: Any) -> None:
    three = [*TWO, event("c", 200, C, dst=OTHER, door="all")]
    named = case((A, 0), (B, 100), (C, 200), destination=None, host="srv1")
    assert [verdict.found for verdict in judged(three, [named]).opened] == [True, True, False]


def test_a_configured_name_is_believed_before_the_cases(judged: Any) -> None:
    named = case((A, 0), (B, 100), destination=None, host="SRV1")
    assert judged(TWO, [named], names={"srv1": [OTHER]}).counts["found"] == 0
    assert judged(TWO, [named], names={"srv1": [SERVER]}).counts["found"] == 2


def test_a_view_is_asked_only_for_what_its_lists_name(judged: Any) -> None:
    events = [*TWO, F, event("g", 70, "198.51.100.14", "failed")]
    lead = case((B, 100), status="lead")
    counts = judged(events, [case((A, 0)), lead], signal=["a", "b", "f"], entry=["a"]).counts
    assert (counts["opened"], counts["found"], counts["failed"]) == (1, 1, 1)
    assert (counts["signals_only"], counts["signals_only_known"], counts["secrets"]) == (1, 1, 0)


class FakeScan:
    """Gives fixed cases, and keeps what it was asked to read."""

    def __init__(self, *cases: Case) -> None:
        self.cases = cases
        self.read: list[dict[str, bytes]] = []
        self.times: list[float] = []

    def __call__(self, files: Sequence[str], config: Config) -> Sequence[Case]:
        self.read.append({Path(file).name: Path(file).read_bytes() for file in files})
        self.times.extend(Path(file).stat().st_mtime for file in files)
        return self.cases


VIEWS = {
    "kernel": {"files": ["srv*.log*"], "lines": r" kernel: ", "signal": ["a", "b"], "entry": ["a"]},
    "flows": {"files": "flows/*.out", "signal": ["a"], "entry": ["a"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, *TWO, views=VIEWS)
    (tmp_path / "README.md").write_text("not evidence")
    (tmp_path / "srv1.log").write_bytes(b"srv1 kernel: \xff one\nsrv1 sshd[1]: two\nsrv1 kernel: three")
    (tmp_path / "srv2.log.gz").write_bytes(gzip.compress(b"srv2 knockd: four\nsrv2 kernel: five\n"))
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "router.out").write_bytes(b"flow\n")
    for path in tmp_path.rglob("*.*"):
        os.utime(path, (START, START))
    return tmp_path


def test_each_view_gets_its_lines_alone_and_together_everything(folder: Path) -> None:
    fake = FakeScan(case((A, 0), (B, 100)))
    (evaluation,) = evaluate([folder], scan=fake)
    assert fake.read[:2] == [
        {"srv1.log": b"srv1 kernel: \xff one\nsrv1 kernel: three", "srv2.log.gz": b"srv2 kernel: five\n"},
        {"router.out": b"flow\n"},
    ]
    assert sorted(fake.read[2]) == ["router.out", "srv1.log", "srv2.log.gz"]
    assert set(fake.times) == {START}
    assert [(view.view, view.counts["opened"]) for view in evaluation.views] == [
        ("kernel", 1),
        ("flows", 1),
        (TOGETHER, 2),
    ]


def test_views_can_be_chosen(folder: Path) -> None:
    (evaluation,) = evaluate([folder], scan=FakeScan(), views=["flows"])
    assert [view.view for view in evaluation.views] == ["flows"]


def test_a_view_that_no_corpus_has_is_an_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="no view flow: choose from all together, flows, kernel"):
        evaluate([folder], scan=FakeScan(), views=["flow"])


def test_evidence_that_cannot_be_read_finds_nothing_and_says_why(folder: Path) -> None:
    def broken(files: Sequence[str], config: Config) -> Sequence[Case]:
        raise EvidenceError("is no log", path=files[0])

    (evaluation,) = evaluate([folder], scan=broken)
    assert [(view.counts["found"], view.counts["opened"]) for view in evaluation.views] == [
        (0, 1),
        (0, 1),
        (0, 2),
    ]
    assert all("is no log" in str(view.problem) for view in evaluation.views)


def test_without_labels_alerts_are_counted(tmp_path: Path) -> None:
    (tmp_path / "some.log").write_text("line\n")
    (evaluation,) = evaluate([tmp_path], scan=FakeScan(case((A, 0)), case((B, 0), status="lead")))
    assert not evaluation.labelled
    assert [(view.view, view.alerts, view.leads) for view in evaluation.views] == [(TOGETHER, 1, 1)]
    assert [stray.case for stray in evaluation.views[0].unexplained] == ["c1"]


def test_a_variant_is_judged_by_its_own_labels(folder: Path) -> None:
    def moved(source: Path, target: Path) -> None:
        write(target, *({**label, "src": [C]} for label in json.loads((source / "labels.json").read_text())))
        (target / "some.log").write_text("line\n")

    (evaluation,) = evaluate([folder], scan=FakeScan(case((C, 0), (C, 100))), transform=moved)
    assert [view.counts["found"] for view in evaluation.views] == [2]
    assert evaluation.corpus == folder


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.json", "[", "labels.json: is no JSON"),
        ("labels.json", [{**TWO[0], "src": ["198.51.100.999"]}], r"labels.json: \[0\] \(a\).src\[0\]: "),
        ("labels.json", [TWO[0], TWO[0]], r"labels.json: \[1\] \(a\).id: another event"),
        (
            "labels.json",
            [{**TWO[0], "door": "shed"}],
            r"labels.json: \[0\] \(a\).door: 'shed' is not in doors",
        ),
        ("labels.json", [{**TWO[0], "kind": "guess"}], r"labels.json: \[0\] \(a\).kind: "),
        ("labels.json", [{**TWO[0], "connect": {"port": 70000}}], r"\(a\).connect.port: "),
        ("labels.json", [{**TWO[0], "end": 1.0}], r"\(a\).end: is before the start"),
        ("doors.json", {"ssh": {**DOORS["ssh"], "service": "ssh"}}, "doors.json: ssh.service: "),
        (
            "views.json",
            {"v": {**VIEWS["flows"], "signal": ["z"]}},
            "views.json: v.signal: no event is called z",
        ),
        (
            "views.json",
            {"v": {**VIEWS["flows"], "lines": "("}},
            "views.json: v.lines: .*no regular expression",
        ),
        (
            "views.json",
            {"v": {**VIEWS["flows"], "files": ["../x"]}},
            r"views.json: v.files\[0\]: .*leads out",
        ),
    ],
)
def test_wrong_labels_are_named_by_file_and_key(folder: Path, name: str, content: Any, said: str) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CorpusError, match=said):
        evaluate([folder], scan=FakeScan())


def test_labels_without_doors_are_an_error(folder: Path) -> None:
    (folder / "doors.json").unlink()
    with pytest.raises(CorpusError, match=r"doors.json: cannot be read"):
        evaluate([folder], scan=FakeScan())


def test_a_corpus_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no folder"):
        evaluate([tmp_path / "missing"], scan=FakeScan())


def shown(folder: Path, *cases: Case, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    evaluations = evaluate([folder], scan=FakeScan(*cases))
    render_table(console, evaluations)
    assert json.loads(json.dumps([evaluation.to_json() for evaluation in evaluations]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_a_row_a_view_and_a_line_a_miss(folder: Path) -> None:
    text = shown(folder, case((A, 0), door="tcp/80"))
    rows = [line.split()[0] for line in text.splitlines() if "/" in line and not line.startswith((" ", "/"))]
    assert rows == ["kernel", "flows", "all"]
    assert f"  door wrong: a (title of a): alert c1 door {SERVER} tcp/80 sequence" in text
    assert f"  not found: b (title of b): no case names {B}" in text


def test_what_cases_say_is_shown_escaped(folder: Path) -> None:
    text = shown(folder, case((A, 0), door="tcp/\x1b[2J80"))
    assert "\x1b" not in text
    assert r"tcp/\x1b[2J80" in text


@pytest.mark.corpus
def test_the_lab_has_the_denominators_its_readme_gives(corpus: Path) -> None:
    lab: Corpus = load(corpus / "lab-a")
    together = judge(lab, [])
    assert (together.counts["opened"], together.counts["failed"]) == (42, 22)
    assert len(lab.views) == 6
    edge = lab.views["edge firewall"]
    counts = judge(lab, [], signal=edge.signal, entry=edge.entry).counts
    assert (counts["opened"], counts["signals_only"]) == (0, 42)
