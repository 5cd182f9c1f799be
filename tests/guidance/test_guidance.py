"""Every template, filled with every kind of case, is a page that can be read and commands that can be pasted."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from knockwatch.cases import Case
from knockwatch.detections import detections
from knockwatch.guidance import environment, guidance, name_guidance
from knockwatch.guidance.choice import SITUATIONS, content, hunts, situation
from knockwatch.guidance.quoting import UnfilledError, powershell, shell, together, written
from knockwatch.guidance.related import before_19, related, technique_name, techniques
from knockwatch.hunting import hunts as all_hunts
from knockwatch.reports.escape import Markdown, visible
from tests.guidance.cases import HOSTILE, every, hostile
from tests.reports.made import client, door, lead, suppressed, tries

EVERY = dict(every())
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BASH = shutil.which("bash")


def markdown() -> MarkdownIt:
    """Read Markdown as forges do: with tables, bare links and HTML."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False})


def blocks(page: str, *languages: str) -> list[str]:
    """Give the fenced blocks of some languages."""
    return [code for language, code in FENCED.findall(page) if language in languages]


@pytest.mark.parametrize("name", EVERY)
def test_every_template_is_filled_for_every_kind_of_case(name: str) -> None:
    told = guidance(EVERY[name])
    assert all(
        part.startswith(heading)
        for part, heading in zip(
            (told.playbook, told.guide, told.related),
            ("## Playbook: ", "## Investigation guide: ", "## Related techniques and detections"),
            strict=True,
        )
    )
    braces = () if name.endswith("hostile") else ("{{", "{%")
    for unfilled in (*braces, "None", "Undefined", "(empty)", "[]", "()", " ,", "  \n", "\n\n\n"):
        assert unfilled not in told.whole, unfilled


@pytest.mark.parametrize("name", [name for name in EVERY if name.endswith("hostile")])
def test_what_evidence_says_has_no_meaning_in_a_page(name: str) -> None:
    page = guidance(EVERY[name]).whole
    assert visible(page.replace("\n", "")) == page.replace("\n", "")
    own = {technique.address for technique in related(EVERY[name])}
    for token in markdown().parse(page):
        assert token.type != "html_block"
        for inline in token.children or []:
            assert inline.type not in {"html_inline", "image"}
            if inline.type == "link_open":
                assert inline.attrGet("href") in own
            if inline.type == "text":
                assert not {"evil", "script", "@all", "7*7"} & set(re.split(r"[^\w@*]", inline.content))


@pytest.mark.parametrize("name", EVERY)
def test_no_evidence_gets_raw_into_a_command(name: str) -> None:
    for code in blocks(guidance(EVERY[name]).whole, "sh", "powershell", ""):
        assert "`" not in code
        assert "eth0" not in code
        assert "70000" not in code
        assert not {"<script>alert(1)</script>", "www.evil.example"} & set(
            re.sub(r"\$'[^\n]*'", "", code).split()
        )


@pytest.mark.skipif(BASH is None, reason="there is no bash to read the commands")
@pytest.mark.parametrize("kind", ["alert-hostile", "alert-sequence", "alert-bare", "alert-six", "alert-many"])
def test_a_shell_reads_every_command(kind: str) -> None:
    script = "\n".join(
        code
        for name, case in EVERY.items()
        if name.endswith(kind)
        for code in blocks(guidance(case).whole, "sh")
    )
    assert BASH
    read = subprocess.run([BASH, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.skipif(BASH is None, reason="there is no bash to read the word")
@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=20), max_size=20))
def test_a_quoted_word_is_one_word_that_a_shell_reads_back(texts: list[str]) -> None:
    told = [text.encode("utf-8", "replace").decode() for text in texts]
    assert BASH
    script = "printf '%s\\0' " + " ".join(map(shell, told))
    read = subprocess.run([BASH, "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert read.stdout.split(b"\0")[:-1] == ([text.encode() for text in told] or [b""])


def test_a_quoted_word_shows_a_terminal_nothing_to_obey() -> None:
    assert shell("a\x1b[2J\u202eb") == r"$'a\x1b[2J\xe2\x80\xaeb'"
    assert shell("plain.log") == "plain.log"
    assert shell("x'; rm -rf /") == """'x'"'"'; rm -rf /'"""


def test_powershell_has_five_single_quotes() -> None:
    assert powershell("a'b’c\x1b") == r"'a''b’’c\x1b'"


def test_text_is_escaped_unless_it_was_made_safe() -> None:
    assert written("a|b") == "`a|b`"
    assert written(Markdown("a|b")) == "a|b"
    assert written(7) == "7"
    assert together(["a", Markdown("b"), "c"]) == "`a`, b and `c`"


def test_a_value_that_is_not_there_cannot_be_written() -> None:
    with pytest.raises(UnfilledError):
        environment(written).from_string("{{ nothing }}").render(nothing=None)
    with pytest.raises(UnfilledError):
        environment(written).from_string("{{ nothing }}").render()


def test_every_situation_has_a_playbook_and_a_guide() -> None:
    own = files("knockwatch.content")
    for folder in ("playbook", "guide"):
        found = {path.name.removesuffix(".md.j2") for path in own.joinpath(folder).iterdir()}
        assert {name for name in found if not name.startswith("_")} == set(SITUATIONS)
    assert {situation(case) for case in EVERY.values()} == set(SITUATIONS)


def test_what_a_case_is_about_decides_its_guidance() -> None:
    told = {case.id: situation(case) for case in (door(), client(), lead(), tries(), suppressed())}
    assert list(told.values()) == ["door", "client", "probes", "probes", "door"]
    assert situation(door(attempts=[], entries=[], legs=["signal"])) == "waiting"
    assert situation(Case(id="1", kind="callback", status="alert")) == "implant"


def test_cases_name_their_guidance() -> None:
    cases = [door(), client()]
    name_guidance(cases)
    assert [(case.playbook, case.guide) for case in cases] == [("door", "door"), ("client", "client")]
    assert "knock-clients" in cases[1].hunts
    assert "three-legs" in cases[0].hunts[:2]


def test_every_hunt_belongs_to_cases() -> None:
    told = {hunt for case in EVERY.values() for hunt in hunts(case)}
    assert told == {path.name.removesuffix(".kql") for path in files("knockwatch.content.hunting").iterdir()}


def test_related_techniques_name_rules_that_exist() -> None:
    rules = {detection.rule.id: detection.rule for detection in detections()}
    for technique in content()["technique"]:
        assert set(technique["rules"]) <= set(rules), technique["id"]
    assert all(technique_name(known) for rule in rules.values() for known in rule.attack)


def test_no_rule_and_no_signature_names_a_technique_by_a_former_id() -> None:
    own = files("knockwatch.content")
    signed = [
        tomllib.loads(path.read_text("utf-8"))
        for path in own.joinpath("signals").iterdir()
        if path.name.endswith(".toml")
    ]
    named = {known for told in signed for one in told.get("signature", ()) for known in one["attack"]}
    named |= {known for detection in detections() for known in detection.rule.attack}
    named |= {known for hunt in all_hunts().values() for known in hunt.attack}
    assert {"T1686", "T1205.002"} <= named
    assert named.isdisjoint(content()["former"].values())
    assert all(technique_name(known) for known in named)


def test_a_former_id_is_read_as_the_current_one() -> None:
    case = door(attack=["T1562.004", "T1686", "T1205", "no id"])
    assert techniques(case) == ["T1686", "T1205"]
    assert technique_name("T1562.004") == technique_name("T1686") == "Disable or Modify System Firewall"
    assert before_19("T1686") == "T1562.004"
    assert before_19("T1205") == "T1205"


def test_every_kind_has_the_techniques_that_the_specification_asks_for() -> None:
    told = {technique.id for case in EVERY.values() for technique in related(case)}
    wanted = "T1205 T1205.001 T1205.002 T1040 T1571 T1095 T1021.004 T1686 T1090 T1014"
    assert told == set(wanted.split())


def test_a_block_names_no_address_that_stands_for_others() -> None:
    page = guidance(
        door(sources=["127.0.0.1", "0.0.0.0", "224.0.0.1", "192.0.2.10", "198.51.100.7"])
    ).playbook
    blocked = set(re.findall(r"-s (\S+)", "".join(blocks(page, "sh"))))
    assert {address for address in blocked if address[0].isdigit()} == {"198.51.100.7"}


def test_a_suppressed_case_asks_for_no_response() -> None:
    assert "No response is due" in guidance(suppressed()).playbook
    assert "This is a lead" in guidance(lead()).playbook


def test_a_name_of_a_case_that_is_none_of_ours_becomes_a_hash() -> None:
    assert re.search(r"knockwatch-[0-9a-f]{8} ", guidance(hostile("door", "alert")).playbook)
    assert HOSTILE not in guidance(hostile("door", "alert")).whole
