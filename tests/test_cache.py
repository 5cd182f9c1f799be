"""What is kept of evidence between scans: the same cases from less reading, and never anything wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import knockwatch
from knockwatch import ingest as ingesting
from knockwatch.cache import Cache, content_hash, folder_of, key_of
from knockwatch.config import CacheSettings, Config, EvidenceSettings, NetfilterSettings, TimeSettings
from knockwatch.engines.embedded import Engine
from knockwatch.evidence import BLOCK_BYTES, Evidence
from knockwatch.ingest import Workspace, ingest
from knockwatch.scan import scan
from knockwatch.tables import CANONICAL

DROP = (
    "Nov  2 11:23:{:02} fw kernel: IPT-DROP: IN=eth0 SRC=198.51.100.7 DST=203.0.113.10 PROTO=TCP SPT=4000 "
    "DPT={} SYN\n"
)
MANY = 30
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX permissions and locks")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A firewall's log."""
    path = tmp_path / "evidence" / "fw.log"
    path.parent.mkdir()
    path.write_text("".join(DROP.format(second, 7000 + second) for second in range(MANY)), encoding="utf-8")
    return path


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, reading evidence for its rows fails."""

    def refuse(self: Evidence, size: int = 0) -> Iterator[bytes]:
        raise AssertionError(f"{self.name} is read")

    return lambda: monkeypatch.setattr(Evidence, "chunks", refuse)


def opened(megabytes: int = 100) -> Cache:
    """The test's own cache."""
    cache = Cache.of(CacheSettings(megabytes=megabytes))
    assert cache is not None
    return cache


def read(
    *paths: Path, settings: EvidenceSettings | None = None, lean: bool = False, megabytes: int = 100
) -> tuple[dict[str, pl.DataFrame], list[dict[str, Any]]]:
    """Read evidence through the cache: the tables as the engine has them, and the summaries."""
    with Workspace.temporary(opened(megabytes)) as workspace:
        ingest(map(str, paths), settings or EvidenceSettings(), workspace, lean=lean)
        with Engine(workspace) as engine:
            tables = {
                name: engine.execute(table).sort("file", "line")
                for name, table in engine.tables().items()
                if name in CANONICAL
            }
        return tables, [asdict(summary) for summary in workspace.summaries]


def entries(folder: Path) -> list[Path]:
    """The folders of the entries."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> bool:
    """Whether tables hold the same rows."""
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


@pytest.mark.parametrize("gathered", [5, 200_000], ids=["linked", "gathered"])
def test_a_second_scan_reads_nothing_and_gives_the_same_cases_byte_for_byte(
    gathered: int, data: Path, monkeypatch: pytest.MonkeyPatch, unread: Callable[[], None]
) -> None:
    monkeypatch.setattr(ingesting, "ROWS_PER_FILE", gathered)
    folders = [str(data / "lab" / "evidence"), str(data / "sources")]

    def told(*, cached: bool) -> tuple[list[str], list[dict[str, Any]], list[str]]:
        with Workspace.temporary(opened() if cached else None) as workspace:
            result = scan(folders, workspace)
            linked = [path.name for table in CANONICAL for path in workspace.numbered(table)]
            cases = [json.dumps(case.to_json()) for case in result.cases]
            return cases, [asdict(summary) for summary in workspace.summaries], linked

    without, told_without, _ = told(cached=False)
    first, told_first, linked = told(cached=True)
    unread()
    second, told_second, _ = told(cached=True)
    assert len(without) > 5
    assert first == without
    assert second == without
    assert told_first == told_without
    assert told_second == told_without
    assert bool(linked) == (gathered == 5)


def test_files_keep_their_own_rows_when_they_are_named_otherwise(
    log: Path, tmp_path: Path, unread: Callable[[], None]
) -> None:
    other = tmp_path / "other.log"
    other.write_text(DROP.format(1, 9), encoding="utf-8")
    read(log, other)
    moved = tmp_path / "rotated.log.1"
    shutil.copy2(log, moved)
    unread()
    tables, summaries = read(other, moved)
    assert [Path(summary["path"]).name for summary in summaries] == ["other.log", "rotated.log.1"]
    rows = tables["connections"]
    assert rows.filter(pl.col("file") == 0)["destination_port"].to_list() == [9]
    assert rows.filter(pl.col("file") == 1)["destination_port"].to_list() == [
        7000 + second for second in range(MANY)
    ]


def test_only_what_is_new_is_read(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(log.parent)
    new = log.parent / "new.log"
    new.write_text(DROP.format(1, 9), encoding="utf-8")
    seen: list[str] = []
    chunks = Evidence.chunks

    def watched(self: Evidence, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        seen.append(self.path.name)
        return chunks(self, size)

    monkeypatch.setattr(Evidence, "chunks", watched)
    tables, _ = read(log.parent)
    assert seen == ["new.log"]
    assert tables["connections"].height == MANY + 1


@pytest.mark.parametrize(
    ("settings", "lean"),
    [
        (EvidenceSettings(time=TimeSettings(zone="Europe/Zurich")), False),
        (EvidenceSettings(time=TimeSettings(year=2019)), False),
        (EvidenceSettings(netfilter=NetfilterSettings(prefixes={"IPT-DROP": "accepted"})), False),
        (EvidenceSettings(), True),
    ],
    ids=["zone", "year", "prefixes", "lean"],
)
def test_what_was_read_otherwise_is_read_again(settings: EvidenceSettings, lean: bool, log: Path) -> None:
    read(log)
    again, _ = read(log, settings=settings, lean=lean)
    with Workspace.temporary() as workspace:
        ingest([str(log)], settings, workspace, lean=lean)
        with Engine(workspace) as engine:
            fresh = {
                name: engine.execute(table).sort("file", "line") for name, table in engine.tables().items()
            }
    assert same(again, {name: fresh[name] for name in again})
    before, _ = read(log)
    assert not same(again, before)


def test_a_year_assumed_from_other_files_counts(log: Path, tmp_path: Path) -> None:
    first, _ = read(log)
    dated = log.parent / "dated.log"
    dated.write_text(
        "2020-12-01T00:00:00+00:00 fw sshd[1]: Server listening on 0.0.0.0 port 22.\n", encoding="utf-8"
    )
    second, _ = read(log, dated)
    years = [
        datetime.fromtimestamp(tables["connections"]["time_us"][0] / 1e6, UTC).year
        for tables in (first, second)
    ]
    assert years == [datetime.fromtimestamp(log.stat().st_mtime, UTC).year, 2020]


def damage_table(entry: Path) -> None:
    """Change one byte in the middle of a table."""
    path = next(entry.glob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_table(entry: Path) -> None:
    """Leave half a table."""
    path = next(entry.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_description(entry: Path) -> None:
    """Change a digit of what is told of the file."""
    path = entry / "entry.json"
    path.write_text(path.read_text().replace(f'"lines": {MANY}', '"lines": 7'))


@pytest.mark.parametrize(
    "damage",
    [
        damage_table,
        cut_table,
        damage_description,
        lambda entry: next(entry.glob("*.parquet")).unlink(),
        lambda entry: (entry / "entry.json").write_text("{}"),
        lambda entry: (entry / "entry.json").unlink(),
    ],
    ids=["table", "cut", "description", "no table", "other description", "no description"],
)
def test_a_damaged_entry_is_read_again_and_written_anew(
    damage: Callable[[Path], None], log: Path, own_cache: Path, unread: Callable[[], None]
) -> None:
    first = read(log)
    [entry] = entries(own_cache)
    damage(entry)
    second = read(log)
    assert same(first[0], second[0])
    assert first[1] == second[1]
    unread()
    third = read(log)
    assert first[1] == third[1]


@POSIX
def test_nobody_else_may_read_it(log: Path, own_cache: Path) -> None:
    before = os.umask(0)
    try:
        read(log)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [own_cache, *own_cache.rglob("*")]}
    assert len(modes) > 4
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


@POSIX
def test_a_folder_that_others_could_read_is_closed_to_them(log: Path, own_cache: Path) -> None:
    own_cache.mkdir(parents=True, mode=0o755)
    read(log)
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700


def test_a_folder_that_holds_something_else_is_left_alone(own_cache: Path) -> None:
    own_cache.mkdir(parents=True)
    (own_cache / "thesis.txt").write_text("mine")
    assert Cache.of(CacheSettings()) is None
    assert [path.name for path in own_cache.iterdir()] == ["thesis.txt"]


def test_what_was_used_longest_ago_goes_first(own_cache: Path) -> None:
    with_rows = opened()
    for age, key in enumerate((key_of("new"), key_of("middle"), key_of("old"))):
        unfinished = with_rows.begin(key)
        assert unfinished is not None
        pl.DataFrame({"line": range(90_000)}).write_parquet(
            unfinished.folder / "messages-0.parquet", compression="uncompressed"
        )
        unfinished.keep({"summary": {}, "problems": []})
        os.utime(own_cache / key, (1e9 - age, 1e9 - age))
    with_rows.close()
    cache = opened(megabytes=1)
    assert cache.find(key_of("old")) is not None
    cache.close()
    assert [path.name for path in entries(own_cache)] == [key_of("old")]


@POSIX
def test_nothing_is_removed_that_another_scan_may_use(log: Path, own_cache: Path) -> None:
    read(log)
    other = opened()
    unfinished = other.begin(key_of("unfinished"))
    assert unfinished is not None
    cache = opened()
    assert not cache.clear()
    cache.most_bytes = 0
    cache.close()
    assert len(entries(own_cache)) == 2
    other.close()
    assert len(entries(own_cache)) == 1
    assert not unfinished.folder.exists()


def test_what_a_scan_may_take_of_it_is_bounded(log: Path, tmp_path: Path, own_cache: Path) -> None:
    with Workspace.temporary(opened()) as workspace:
        assert workspace.cache is not None
        workspace.cache.most_bytes = 1
        second = tmp_path / "second.log"
        second.write_text(DROP.format(1, 9), encoding="utf-8")
        ingest([str(log), str(second)], EvidenceSettings(), workspace)
        assert [sum(summary.rows.values()) for summary in workspace.summaries] == [2 * MANY, 2]
        assert len(entries(own_cache)) == 1


def test_two_scans_at_once_find_the_same(data: Path, own_cache: Path, tmp_path: Path) -> None:
    folder = data / "lab" / "evidence"
    command = [sys.executable, "-m", "knockwatch", "scan", "--quiet", "--format", "jsonl", str(folder)]
    alone = subprocess.run([*command, "--no-cache"], capture_output=True, check=True, cwd=tmp_path).stdout
    assert not own_cache.exists()
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=300)[0] for process in both] == [alone, alone]
    assert not list(own_cache.glob("unfinished-*"))
    assert subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout == alone


def test_an_entry_that_another_scan_finished_first_is_taken(own_cache: Path) -> None:
    cache = opened()
    one, other = cache.begin(key_of("same")), cache.begin(key_of("same"))
    assert one is not None
    assert other is not None
    told = {"summary": {"lines": 1}, "problems": []}
    first = one.keep(told)
    assert other.keep(told) == first
    cache.close()
    assert [path.name for path in entries(own_cache)] == [key_of("same")]


def test_a_full_disk_costs_the_cache_and_no_rows(
    log: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def written(self: pl.DataFrame, target: Path, **options: Any) -> None:
        full() if own_cache in Path(target).parents else write(self, target, **options)

    write = pl.DataFrame.write_parquet
    monkeypatch.setattr(pl.DataFrame, "write_parquet", written)
    tables, [summary] = read(log)
    assert tables["connections"].height == MANY
    assert summary["lines"] == MANY
    assert not entries(own_cache)


def test_a_log_that_grows_while_it_is_read_is_not_kept(
    log: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = Evidence.blocks

    def grown(self: Evidence) -> Iterator[tuple[bytes, int]]:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(DROP.format(59, 9))
        return blocks(self)

    with monkeypatch.context() as patch:
        patch.setattr(Evidence, "blocks", grown)
        tables, _ = read(log)
    assert tables["connections"].height == MANY + 1
    assert not entries(own_cache)


def test_problems_of_a_file_are_told_again(tmp_path: Path, unread: Callable[[], None]) -> None:
    import gzip

    lines = "".join(DROP.format(second, second) for second in range(60)) + "no firewall wrote this\n"
    broken = tmp_path / "fw.log.gz"
    broken.write_bytes(gzip.compress(lines.encode() * 40)[:-9])
    first = read(broken)
    unread()
    assert read(broken)[1] == first[1]
    assert "breaks off" in first[1][0]["problems"][0]


def test_standard_input_is_not_kept(own_cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "knockwatch", "scan", "--quiet", "-"]
    subprocess.run(command, input=DROP.format(1, 9).encode(), check=True, cwd=tmp_path, capture_output=True)
    assert not entries(own_cache)


def test_its_folder_is_named_by_the_environment_the_configuration_or_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured = Config.from_toml('[cache]\nfolder = "/var/cache/kw"\n', "site.toml").cache
    assert folder_of(configured) == Path(os.environ["KNOCKWATCH_CACHE"])
    monkeypatch.delenv("KNOCKWATCH_CACHE")
    assert folder_of(configured) == Path("/var/cache/kw")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder_of(CacheSettings()) == tmp_path / "knockwatch" / "evidence"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert folder_of(CacheSettings()) == Path.home() / ".cache" / "knockwatch" / "evidence"


def test_a_size_of_nothing_turns_it_off(own_cache: Path) -> None:
    assert Cache.of(CacheSettings(megabytes=0)) is None
    assert not own_cache.exists()


def test_every_byte_of_a_file_counts_for_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knockwatch.cache.PIECE_BYTES", 4)
    path = tmp_path / "file"
    hashes = set()
    for content in (b"", b"abcd", b"abcdefgh", b"abcdefgi", b"bbcdefgh", b"abcdefgh\0", b"efghabcd"):
        path.write_bytes(content)
        hashes.add(content_hash(path))
    assert len(hashes) == 7


def test_sources_look_at_no_more_of_a_path_than_the_key_holds() -> None:
    folder = Path(knockwatch.__file__).parent / "sources"
    looking = {
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"evidence\.(?:path|name|number)", path.read_text("utf-8"))
    }
    # `last_output` takes the year of the file's time, `_host_state` the host its path names: both are in the key.
    # `_tshark` hands them on to a capture that it makes, which is read from memory.
    assert looking == {"last_output.py", "_host_state.py", "_tshark.py"}
