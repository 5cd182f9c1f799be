"""The documentation's site: built strictly, complete, asking no network, its vendored script as it came."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

from knockwatch.cli import COMMANDS
from knockwatch.detections import detections
from knockwatch.hunting import hunts
from knockwatch.sources import sources
from knockwatch.sources.bodies import bodies
from tests.conftest import ROOT

_LOADED = re.compile(r"""<(?:script|img|iframe|source|video)\b[^>]*\bsrc=["']?([^"'\s>]+)|<link\b([^>]*)>""")
_HREF = re.compile(r"""\bhref=["']?([^"'\s>]+)""")
_HARMLESS = ('rel="canonical"', "rel=canonical", "rel=prev", "rel=next", 'rel="prev"', 'rel="next"')
_OF_CSS = re.compile(r"""@import\s+["']([^"']+)|url\(["']?([^"')]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    pytest.importorskip("material", reason="MkDocs' theme is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def pages() -> ModuleType:
    """What makes pages."""
    spec = importlib.util.spec_from_file_location("made_pages", ROOT / "docs" / "pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(page: Path) -> set[str]:
    """Give the ids of a page's headings."""
    return set(re.findall(r'<h[1-6] id="?([^" >]+)', page.read_text("utf-8")))


def test_every_rule_hunt_command_and_format_has_its_place(site: Path) -> None:
    assert {detection.rule.id for detection in detections()} <= headings(site / "rules.html")
    assert set(hunts()) <= headings(site / "hunts.html")
    names = {name for told in COMMANDS.values() for name in told}
    assert {f"knockwatch-{name}" for name in names} | {"knockwatch-rules-export"} <= headings(
        site / "commands.html"
    )
    told = set(re.findall(r"<td><code>([^<]+)</code></td>", (site / "formats.html").read_text("utf-8")))
    assert {one.format.name for one in sources()} | {one.format.name for one in bodies()} == told


def test_rules_say_what_is_harmless_in_the_site_too(site: Path) -> None:
    text = unescape(re.sub(r"<[^>]+>", "", (site / "rules.html").read_text("utf-8")))
    plain = " ".join(text.replace("`", "").split())
    for detection in detections():
        for said in detection.rule.false_positives:
            assert " ".join(said.replace("`", "").split()) in plain, said


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = []
    for page in site.rglob("*.html"):
        for source, link in _LOADED.findall(page.read_text("utf-8")):
            if source:
                loaded.append(source)
            elif not any(mark in link for mark in _HARMLESS):
                loaded += _HREF.findall(link)
    for sheet in site.rglob("*.css"):
        loaded += [one or other for one, other in _OF_CSS.findall(sheet.read_text("utf-8"))]
    assert len(loaded) > 50
    assert [one for one in loaded if "//" in one and not one.startswith("data:")] == []


def test_pictures_are_text_that_names_itself_and_loads_nothing() -> None:
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [picture.name for picture in pictures] == ["agreement.svg", "door.svg", "legs.svg"]
    told = (ROOT / "docs" / "concepts.md").read_text("utf-8")
    for picture in pictures:
        text = picture.read_text("utf-8")
        assert "<title " in text
        assert "<desc " in text
        assert not re.search(r"<script|href|url\(|@import", text)
        assert f"](pictures/{picture.name})" in told


def test_pages_from_the_root_keep_their_links() -> None:
    page = pages().moved("README.md")
    assert "](concepts.md)" in page
    assert "](contributing.md)" in page
    assert "](https://attack.mitre.org/techniques/T1205/001/)" in page
    assert "](docs/" not in page


def test_no_page_is_both_written_and_made() -> None:
    written = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert written.isdisjoint(pages().PAGES)


def test_the_vendored_script_is_as_it_came() -> None:
    folder = ROOT / "docs" / "vendor"
    told = re.search(r"`iframe-worker\.js` .* ([0-9a-f]{64}) \|", (folder / "README.md").read_text("utf-8"))
    assert told
    assert hashlib.sha256((folder / "iframe-worker.js").read_bytes()).hexdigest() == told[1]


def test_the_site_opens_from_disk_with_its_search_and_asks_no_network(site: Path) -> None:
    import shutil

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.skip("there is no Chromium on this system: apt-get install chromium")
    asked: list[str] = []
    said: list[str] = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: said.append(str(error)))
        for name in ("index", "concepts", "commands", "formats", "rules", "hunts", "siem"):
            page.goto((site / f"{name}.html").as_uri())
        page.fill("input[name=query]", "recurrence")
        page.wait_for_selector(".md-search-result__item")
        browser.close()
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:", "blob:", "about:"))] == []
    assert said == []
