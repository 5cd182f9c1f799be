"""The HTML report in a browser, opened from disk: quiet, accessible, and unmoved by what evidence says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from click.testing import CliRunner

from knockwatch.cases import Attempt, Case, Entry, Quote
from knockwatch.cli import cli
from knockwatch.detections import Kind
from knockwatch.guidance import guidance
from knockwatch.reports.html import write_html
from tests.guidance.cases import hostile as hostile_case
from tests.reports.made import client, door, lead, suppressed, tries

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"light": (1280, 900, "light"), "dark": (1280, 900, "dark"), "phone": (390, 844, "light")}
LONG = "n" * 10_000
HOSTILE = {
    "script": "<script>window.owned=1</script><img src=x onerror=window.owned=2>",
    "attribute": '"\' onmouseover=window.owned=3 x="><svg onload=window.owned=4> javascript:window.owned=5',
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n",
    "reversed": "\u202etxt.exe\u2066\u200f שלום عالم",
    "template": "{{ 7*7 }} ${window.owned=6} </noscript></script><!--",
    "long": LONG,
}


@dataclass
class Opened:
    """A page and what it did besides showing itself."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def axe(self) -> list[str]:
        """Name the serious violations that axe-core finds."""
        self.page.evaluate((Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['nodes'][0]['html']}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.skip("there is no Chromium on this system: apt-get install chromium")
    with api.sync_playwright() as playwright:
        # The sandbox wants privileges that containers lack; nothing but the report is opened.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open a page of a report, watching what it asks and says."""
    contexts = []

    def open_(file: Path, address: str = "", size: str = "light", script: str = "") -> Opened:
        width, height, scheme = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        if script:
            context.add_init_script(script)
        one = Opened(context.new_page())
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.on("console", lambda message: one.said.append(message.text))
        one.page.on("pageerror", lambda error: one.said.append(str(error)))
        one.page.goto(f"{file.as_uri()}{address}")
        one.page.wait_for_selector("main h1")
        return one

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scan of the shipped slices of the lab."""
    out = tmp_path_factory.mktemp("lab") / "out"
    evidence = Path(__file__).parents[1] / "data" / "lab" / "evidence"
    done = CliRunner().invoke(cli, ["scan", "--quiet", "--out", str(out), str(evidence)])
    assert done.exit_code == 0, done.output
    return out


def addresses(folder: Path) -> dict[str, str]:
    """Give the address of the first page of each sort."""
    cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text("utf-8").splitlines()]
    firsts = {f"{case['status']} {case['kind']}": f"#/case/{case['id']}" for case in reversed(cases)}
    return {"overview": "", "map": "#/map", "files": "#/files", **firsts}


def has_count(page: Page, selector: str, number: int) -> None:
    """Wait until there are so many elements; the policy forbids to evaluate conditions in the page."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_count(number)


@pytest.mark.parametrize("size", SIZES)
def test_the_lab_report_is_quiet_accessible_and_fits(lab: Path, opened: Open, size: str) -> None:
    pages = addresses(lab)
    assert {"alert door", "lead signal"} <= set(pages)
    for page, address in pages.items():
        one = opened(lab / "report.html", address, size)
        assert one.axe() == [], (page, size)
        assert one.said == [], (page, size)
        assert [url for url in one.requests if not url.startswith((lab.as_uri(), "data:"))] == []
        wide = one.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, (page, size)


def test_a_door_is_told_with_steps_legs_timeline_score_and_doubts(lab: Path, opened: Open) -> None:
    page = opened(lab / "report.html", addresses(lab)["alert door"]).page
    steps = page.locator(".steps .step").all_inner_texts()
    assert [step.split()[-1] for step in steps[:3]] == ["tcp/7000", "tcp/8000", "tcp/9000"]
    assert page.locator(".leg.on").count() == 3
    for mark in ("signal", "opening", "entry"):
        assert page.locator(f".canvas .mark.{mark}").count() > 0
    for title in ("What happened", "Score", "What could be innocent", "What is missing", "Who used it"):
        assert page.get_by_role("heading", name=title, exact=True).count() == 1
    place = page.locator("a.place").first.get_attribute("href") or ""
    assert "tests/data/lab/evidence/" in place


def test_a_place_opens_the_file_of_evidence(lab: Path, opened: Open) -> None:
    page = opened(lab / "report.html", addresses(lab)["alert door"]).page
    page.locator("a.place").first.click()
    page.wait_for_url("**/tests/data/lab/evidence/*")


def test_the_timeline_zooms_by_keys_and_looks_closely(lab: Path, opened: Open) -> None:
    page = opened(lab / "report.html", addresses(lab)["alert door"]).page
    ticks = page.locator(".canvas .axis text")
    whole = ticks.all_text_contents()
    page.locator(".canvas").focus()
    page.keyboard.press("+")
    assert ticks.all_text_contents() != whole
    page.keyboard.press("0")
    assert ticks.all_text_contents() == whole
    page.locator(".chip").first.click()
    assert all("." in tick or tick.count(":") == 2 for tick in ticks.all_text_contents())


def test_leads_and_suppressed_cases_are_behind_switches(tmp_path: Path, opened: Open) -> None:
    write_html([door(), client(), lead(), tries(), suppressed()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html").page
    assert page.locator(".row").count() == 2
    page.get_by_label("Show 2 leads").check()
    assert page.locator(".row").count() == 4
    page.get_by_label("Show 1 suppressed case").check()
    assert page.locator(".row").count() == 5
    page.get_by_label("Search").fill("wks-204")
    has_count(page, ".row", 1)


def test_keys_lead_from_case_to_case_and_back(tmp_path: Path, opened: Open) -> None:
    write_html([door(), client()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html").page
    for key, address in (
        ("n", f"#/case/{door().id}"),
        ("n", f"#/case/{client().id}"),
        ("p", f"#/case/{door().id}"),
    ):
        page.keyboard.press(key)
        page.wait_for_url(f"**{address}")
    page.keyboard.press("o")
    page.wait_for_selector(".tiles")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def test_a_colour_scheme_can_be_chosen(tmp_path: Path, opened: Open) -> None:
    write_html([door()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html").page
    colours = set()
    for _ in range(3):
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.locator(".theme").click()
    assert len(colours) == 2


def test_printed_it_shows_every_alert(tmp_path: Path, opened: Open) -> None:
    write_html([door(), client(), lead()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html", "#/all").page
    page.emulate_media(media="print")
    assert page.locator("article.case").count() == 2
    assert not page.locator(".bar").is_visible()
    assert page.pdf()[:4] == b"%PDF"


PARTS = ("Playbook", "Investigation guide", "Related techniques")
CLIPBOARD = """
Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => { window.kept = text; }}});
"""


def unfolded(page: Page, part: str) -> str:
    """Unfold a page of guidance by its button and give its text."""
    page.get_by_role("button", name=part, exact=True).click()
    return page.locator(".guidance").nth(PARTS.index(part)).inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_playbook_guide_and_related_unfold_accessibly(lab: Path, opened: Open, size: str) -> None:
    for sort in ("alert door", "lead signal"):
        one = opened(lab / "report.html", addresses(lab)[sort], size)
        assert one.page.locator(".prose > *").count() == 0
        for part in PARTS:
            assert len(unfolded(one.page, part)) > 200
        assert one.axe() == [], (sort, size)
        assert one.said == []
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert one.page.evaluate(wide) <= 0


def test_a_playbook_holds_the_values_of_its_case(lab: Path, opened: Open) -> None:
    page = opened(lab / "report.html", addresses(lab)["alert door"]).page
    playbook = unfolded(page, "Playbook")
    assert "Playbook: a door that was used" in playbook
    assert "iptables -t raw -I PREROUTING 1 -s 198.18.7.10 -m comment --comment knockwatch-" in playbook
    assert "Look for tcp/7000, tcp/8000, tcp/9000 at other hosts" in playbook
    assert "knockwatch hunt three-legs" in unfolded(page, "Investigation guide")
    unfolded(page, "Related techniques")
    link = page.locator(".guidance a", has_text="T1205.001").first.get_attribute("href")
    assert link == "https://attack.mitre.org/techniques/T1205/001/"


def test_commands_are_copied_by_keys(tmp_path: Path, opened: Open) -> None:
    write_html([door()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html", f"#/case/{door().id}", script=CLIPBOARD).page
    page.get_by_role("button", name="Playbook", exact=True).press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("window.kept").startswith("out=/mnt/evidence/knockwatch-3f9ac2d1; mkdir")
    assert not page.evaluate("window.kept").endswith("\n")


def test_commands_are_selected_where_a_browser_forbids_to_copy(tmp_path: Path, opened: Open) -> None:
    write_html([door()], None, tmp_path / "r.html")
    refusing = CLIPBOARD.replace("{ window.kept = text; }", "{ throw new DOMException('no'); }")
    page = opened(tmp_path / "r.html", f"#/case/{door().id}", script=refusing).page
    unfolded(page, "Playbook")
    page.locator(".commands button").first.click()
    page.get_by_text("Selected: copy it with Ctrl+C").wait_for()
    assert page.evaluate("getSelection().toString()").startswith("out=/mnt/evidence/knockwatch-3f9ac2d1")


def test_a_printed_case_has_its_guidance_and_all_cases_have_it_on_request(
    tmp_path: Path, opened: Open
) -> None:
    write_html([door(), client()], None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html", f"#/case/{door().id}").page
    page.pdf()
    assert page.locator(".guidance[open]").count() == 3
    page = opened(tmp_path / "r.html", "#/all").page
    page.pdf()
    assert page.locator(".guidance[open]").count() == 0
    page.get_by_label("Print playbooks").check()
    page.pdf()
    assert page.locator(".guidance[open]").count() == 6


def words(case: Case) -> list[str]:
    """Give the words of a case's guidance as a reader of Markdown sees them."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(guidance(case).whole)
    told = []
    for token in tokens:
        told += [token.content] if token.type == "fence" else []
        told += ["".join(" " if one.type == "softbreak" else one.content for one in token.children or ())]
    return " ".join(told).split()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_guidance_shows_hostile_values_as_text(kind: Kind, tmp_path: Path, opened: Open) -> None:
    case = replace(hostile_case(kind, "alert"), id="plain")
    write_html([case], None, tmp_path / "r.html")
    one = opened(tmp_path / "r.html", "#/case/plain", "phone")
    for part in PARTS:
        unfolded(one.page, part)
    # The text of elements alone: blanks between blocks are the browser's.
    shown = one.page.locator(".guidance :is(h2, h3, p, li, th, td, pre):not(:has(p, li))").all_inner_texts()
    assert " ".join(shown).split() == words(case)
    assert one.page.locator(".guidance :is(script, img, svg)").count() == 0
    assert one.said == []
    assert one.axe() == []


def hostile(text: str, **changes: Any) -> Case:
    """Make a case with a text wherever a case takes text."""
    at = "2026-11-22T11:23:34Z"
    lists = ("sources", "sequence", "rules", "attack", "innocent_explanations", "missing", "explanation")
    told: dict[str, Any] = {
        **dict.fromkeys(("id", "suppressed_by", "host", "destination", "door", "last_seen"), text),
        **{name: [text, f"{text} again"] for name in lists},
        "attempts": [Attempt(text, at, at, complete=True, sent=(text, text))],
        "entries": [Entry(text, at, None, complete=True, user=text)],
        "evidence": [
            Quote(leg, text, text, 1, at, f"{text} line") for leg in ("signal", "opening", "entry", None)
        ],
        "score_parts": [{"part": text, "points": text}, {"part": text, "points": -5}],
    }
    return door(**{**told, **changes})


def summary(text: str) -> dict[str, Any]:
    """Make a summary with a text wherever it takes text."""
    file = {
        "path": text, "format": text, "compression": text, "lines": 1, "not_understood": 1,
        "example": {"line": 1, "text": text}, "rows": {text: 1}, "first_time": "2026-11-22T11:23:34Z",
        "last_time": "2026-11-22T11:24:34Z", "assumed": text, "problems": [text],
    }  # fmt: skip
    return {
        "lines": 1, "rows": {text: 1}, "files": [file], "problems": [text], "asked": {text: [text]},
        "versions": {"knockwatch": text}, "first_time": text, "last_time": text,
    }  # fmt: skip


@pytest.mark.parametrize("sort", HOSTILE)
def test_hostile_evidence_shows_as_text(sort: str, tmp_path: Path, opened: Open) -> None:
    text = HOSTILE[sort]
    cases = [
        hostile(text),
        hostile(text, id=f"{text}2", status="lead"),
        hostile(text, id="plain", host="srv1"),
    ]
    write_html(cases, summary(text), tmp_path / "r.html")
    for address in ("", "#/map", "#/files", "#/all", "#/case/plain"):
        one = opened(tmp_path / "r.html", address, "phone")
        page = one.page
        for button in page.locator("button.quiet, .chip.words").all():
            if button.is_visible():
                button.click()
        assert page.evaluate("window.owned") is None, address
        assert one.said == [], address
        assert [url for url in one.requests if not url.startswith((tmp_path.as_uri(), "data:"))] == []
        shown = page.locator("body").inner_text()
        assert not set(shown) & set("\x1b\x07\x9b\u202e\u2066\u200f"), address
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address
    sent = {"script": "<script>window.owned=1</script>", "terminal": r"\x1b[2J\x1b]0;owned\x07\x9b31m\r\n"}
    sent |= {"reversed": r"\u202etxt.exe\u2066\u200f שלום", "long": LONG, "template": "{{ 7*7 }} ${"}
    assert sent.get(sort, "\"' onmouseover=window.owned=3") in page.locator("body").inner_text()


def test_ten_thousand_cases_open_and_scroll(tmp_path: Path, opened: Open) -> None:
    cases = [
        door(id=f"{at:016x}", host=f"srv{at}", status="alert" if at < 50 else "lead") for at in range(10_000)
    ]
    write_html(cases, None, tmp_path / "r.html")
    page = opened(tmp_path / "r.html").page
    page.get_by_label("Show 9,950 leads").check()
    assert page.locator(".row").count() < 1000
    for _ in range(4):
        before = page.locator(".row").count()
        page.locator(".caselist .more").scroll_into_view_if_needed()
        page.locator(".row").nth(before).wait_for(state="attached")
    page.get_by_label("Search").fill("srv9999")
    has_count(page, ".row", 1)
    page.locator(".row a").first.click()
    assert "knockwatch explain 000000000000270f --cases" in page.locator(".head").inner_text()
    assert page.locator("details.guidance").count() == 0
