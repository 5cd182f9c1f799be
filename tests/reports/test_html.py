"""The HTML report as a file: what it carries, how it is escaped, and which policy guards it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.cases import Attempt, Case, Quote
from knockwatch.cli import cli
from knockwatch.ingest import Workspace
from knockwatch.reports.folder import write_folder
from knockwatch.reports.html import write_html
from knockwatch.reports.html.island import MANY, QUOTES_OF_MANY, island, link
from knockwatch.reports.html.page import SCRIPTS, data_text, page
from knockwatch.reports.summary import summarise
from tests.reports.made import client, door, lead, result, suppressed, tries

HOSTILE = "</script><script>alert(1)</script><!--\" onload='x' & \x1b[2J\u202egnp.exe\u2028"
CASES = (door(), client(), lead(), tries(), suppressed())


class Elements(HTMLParser):
    """Collects elements with their attributes, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data

    def policy(self) -> str:
        (policy,) = [
            attributes["content"] or ""
            for tag, attributes in self.found
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        return policy

    def data(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.texts["script"][0])
        return told


def hostile() -> Case:
    """A case with hostile text wherever a case takes text."""
    quote = Quote("signal", "messages", HOSTILE, 7, "2026-11-22T11:23:35Z", HOSTILE)
    attempt = Attempt(HOSTILE, "2026-11-22T11:23:34Z", None, complete=True, sent=(HOSTILE,))
    texts = dict.fromkeys(("id", "host", "destination", "door", "suppressed_by", "first_seen"), HOSTILE)
    lists = {
        name: [HOSTILE] for name in ("sources", "sequence", "innocent_explanations", "missing", "explanation")
    }
    parts = [{"part": HOSTILE, "points": HOSTILE}]
    return door(**texts, **lists, attempts=[attempt], evidence=[quote], score_parts=parts)


def written(tmp_path: Path, *cases: Case, summary: dict[str, Any] | None = None) -> Elements:
    """Write a report and read it as a browser would."""
    write_html(cases, summary, tmp_path / "report.html")
    return Elements((tmp_path / "report.html").read_text("utf-8"))


def test_the_policy_allows_only_the_inline_parts_by_their_hashes(tmp_path: Path) -> None:
    told = written(tmp_path, *CASES)
    rules = dict(part.partition(" ")[::2] for part in told.policy().split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in told.policy()
    assert "http" not in told.policy()

    def hashes(texts: list[str]) -> list[str]:
        sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        return [f"'sha256-{one}'" for one in sums]

    assert rules["script-src"].split() == hashes(told.texts["script"][1:])
    assert rules["style-src"].split() == hashes(told.texts["style"])
    assert len(told.texts["script"]) == 1 + len(SCRIPTS)


def test_the_file_asks_for_nothing_and_carries_no_inline_handlers(tmp_path: Path) -> None:
    told = written(tmp_path, *CASES)
    for tag, attributes in told.found:
        assert "src" not in attributes
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if "href" in attributes:
            assert (attributes["href"] or "").startswith(("#", "data:,")), (tag, attributes)


def test_hostile_text_neither_ends_the_data_nor_stays_invisible(tmp_path: Path) -> None:
    told = written(tmp_path, hostile())
    assert len(told.texts["script"]) == 1 + len(SCRIPTS)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "alert(1)</script>" not in text
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text[: text.index("d3js.org v")]
    )
    assert r"\x1b[2J\u202egnp.exe\u2028" in json.dumps(told.data(), ensure_ascii=False).replace("\\\\", "\\")


@given(st.text())
def test_data_holds_no_markup_and_reads_back_unchanged(text: str) -> None:
    data = {"text": text}
    if any("\ud800" <= mark <= "\udfff" for mark in text):
        return
    assert not set("<>&") & set(data_text(data))
    assert json.loads(data_text(data)) == data


def test_without_scripts_the_alerts_are_still_told() -> None:
    text = page(island([hostile(), lead()], None, Path()))
    shown = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in shown
    assert "tcp/3000" not in shown


def test_an_alert_that_names_neither_source_nor_destination_is_told_without_scripts(tmp_path: Path) -> None:
    """A door of a host's own rules has nobody who used it, and the evidence may not name the host."""
    case = door(sources=[], destination=None, host=None, attempts=[], entries=[])
    text = page(island([case], {}, tmp_path))
    assert re.search(r"<h2>[^<]*</h2>\s*<p>198", text)


def test_every_case_is_carried_with_what_its_page_shows(tmp_path: Path) -> None:
    data = written(tmp_path, *CASES).data()
    assert [one["id"] for one in data["cases"]] == [case.id for case in CASES]
    first = data["cases"][0]
    assert first["title"] == "door tcp/22 behind tcp/7000 → udp/8000 → tcp/9000"
    assert [data["texts"][number] for number in first["explanation"]] == door().explanation
    assert [[data["texts"][text], points] for text, points in first["parts"]] == [
        [part["part"], part["points"]] for part in door().score_parts
    ]
    leg, table, file, line, at, text = first["quotes"][0]
    assert (leg, table, data["files"][file], line) == ("opening", "messages", "logs/srv1-syslog.log", 4711)
    assert (at, data["texts"][text]) == (1_795_346_615_000_000, door().evidence[0].text)
    assert data["reading"] is None


def test_what_was_read_is_drawn_together(workspace: Workspace, tmp_path: Path) -> None:
    reading = written(tmp_path, *CASES, summary=summarise(result(workspace, *CASES))).data()["reading"]
    assert reading["lines"] == 12341
    assert [file["path"] for file in reading["files"]] == [
        "logs/srv1-syslog.log", "logs/srv1.json.gz", "logs/rubbish.bin",
    ]  # fmt: skip
    assert reading["files"][0]["example"] == [17, r"this is no syslog \x1b[31mat all"]
    tables = {table["name"]: table for table in reading["tables"]}
    assert tables["messages · Syslog"]["count"] == 8117
    assert tables["messages · Syslog"]["spans"] == [[1_795_346_581_000_000, 1_795_347_659_000_000]]
    assert tables["processes · DeviceProcessEvents"] == {
        "name": "processes · DeviceProcessEvents", "count": 0, "spans": [],
    }  # fmt: skip
    assert {row["name"] for row in reading["formats"]} == {"syslog", "journald-json"}


def test_evidence_on_this_disk_is_linked_from_where_the_report_stands(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = tmp_path / "logs" / "javascript:a b?#.log"
    file.write_text("x", "utf-8")
    assert link(str(file), tmp_path / "out") == "../logs/javascript%3Aa%20b%3F%23.log"
    assert link(str(tmp_path / "gone.log"), tmp_path) is None
    assert link("x" * 10_000, tmp_path) is None
    assert link("a\0b", tmp_path) is None


def test_of_many_cases_only_alerts_carry_every_line() -> None:
    quotes = [Quote("signal", "connections", "a.log", at, None, f"line {at}") for at in range(40)]
    entry = Quote("entry", "messages", "b.log", 1, None, "Accepted")
    leads = [door(id=f"{at:016x}", status="lead", evidence=[*quotes, entry]) for at in range(MANY)]
    data = island([door(evidence=[*quotes, entry]), *leads], None, Path())
    first, second = data["cases"][:2]
    assert len(first["quotes"]) == 41
    assert len(second["quotes"]) == QUOTES_OF_MANY
    assert second["quotes_left"] == 41 - QUOTES_OF_MANY
    assert "entry" in {quote[0] for quote in second["quotes"]}


def test_the_folder_holds_the_report(workspace: Workspace, tmp_path: Path) -> None:
    found = result(workspace, *CASES)
    paths = write_folder(found, summarise(found), tmp_path / "out")
    assert [path.name for path in paths] == ["cases.jsonl", "findings.parquet", "summary.json", "report.html"]
    remade = tmp_path / "remade.html"
    done = CliRunner().invoke(cli, ["report", str(tmp_path / "out"), "--to", str(remade)])
    assert (done.exit_code, done.stderr) == (0, f"Wrote {remade}\n")
    assert remade.read_text("utf-8") == paths[3].read_text("utf-8")


def test_cases_alone_and_standard_input_make_a_report(workspace: Workspace, tmp_path: Path) -> None:
    found = result(workspace, *CASES)
    write_folder(found, summarise(found), tmp_path)
    cases, to = tmp_path / "cases.jsonl", tmp_path / "r.html"
    assert CliRunner().invoke(cli, ["report", "-q", str(cases), "--to", str(to)]).exit_code == 0
    assert Elements(to.read_text("utf-8")).data()["reading"] is None
    whole = json.dumps({"cases": [door().to_json()], "summary": summarise(found)})
    assert CliRunner().invoke(cli, ["report", "-q", "-", "--to", str(to)], input=whole).exit_code == 0
    assert Elements(to.read_text("utf-8")).data()["reading"]["lines"] == 12341


@pytest.mark.parametrize(
    ("cases", "summary", "said"),
    [
        ('{"no": "case"}\n', "{}", "is no case"),
        ("", "[]", "is no summary"),
        ("", '{"lines": "many"}', "holds no summary"),
        ("", '{"files": [{"path": 1}]}', "holds no summary"),
    ],
)
def test_what_is_no_scan_is_refused_in_a_sentence(
    tmp_path: Path, cases: str, summary: str, said: str
) -> None:
    (tmp_path / "cases.jsonl").write_text(cases, "utf-8")
    (tmp_path / "summary.json").write_text(summary, "utf-8")
    done = CliRunner().invoke(cli, ["report", str(tmp_path), "--to", str(tmp_path / "r.html")])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_the_vendored_library_is_the_one_that_is_noted() -> None:
    folder = files("knockwatch.reports.html").joinpath("vendor")
    library = folder.joinpath("d3.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() in folder.joinpath("README.md").read_text("utf-8")
    assert len(library) < 3_000_000


def test_no_script_of_ours_makes_markup_of_text() -> None:
    ours = [files("knockwatch.reports.html").joinpath(name).read_text("utf-8") for name in SCRIPTS[1:]]
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.html\(|fetch\(|XMLHttp"
    assert not [found for text in ours for found in re.findall(sinks, text)]
