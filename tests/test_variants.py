"""Variants change what they say they change, the same everywhere, and labels, doors and views with it."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.evaluation import judge
from knockwatch.evaluation.labels import load
from tests.variants import VARIANTS, Transform, lossy, noisy, renumbered, shuffled, skewed, stretched
from tests.variants.evidence_text import FORMS, SECOND, Form, lines, texts, timed
from tests.variants.held import held
from tests.variants.numbers import ADDRESS, PORT, other_addresses

ISO = re.compile(r"^(\S+)\+00:00 \S+ ")
PACKET = re.compile(r"(?:SRC|src)=(\S+) (?:DST|dst)=(\S+) .*?(?:SPT|sport)=(\d+) (?:DPT|dport)=(\d+)")


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    """A few events and two noisy sources of a lab run, in every format that is rewritten."""
    return data / "variants"


def made(transform: Transform, run: Path, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    transform(run, target)
    return target


def content(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def names(folder: Path) -> list[str]:
    return [path.name for path, _, _ in texts(folder)]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_corpus_with_the_runs_openings(name: str, run: Path, tmp_path: Path) -> None:
    variant = made(VARIANTS[name], run, tmp_path)
    corpus = load(variant)
    assert names(variant) == names(run)
    assert judge(corpus, []).counts["opened"] == 4
    assert "packets" not in corpus.views
    assert all(list(variant.glob(glob)) for view in corpus.views.values() for glob in view.files)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_failed_attempt_that_no_text_holds_is_left_out(name: str, run: Path, tmp_path: Path) -> None:
    variant = made(VARIANTS[name], run, tmp_path)
    assert {"b1", "h2"} <= {label["id"] for label in content(variant, "labels")}
    assert "h4" not in {label["id"] for label in content(variant, "labels")}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_seed_makes_the_same_variant(name: str, run: Path, tmp_path: Path) -> None:
    first, second = made(VARIANTS[name], run, tmp_path / "1"), made(VARIANTS[name], run, tmp_path / "2")
    for path in sorted(first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes()


@pytest.mark.parametrize("transform", [renumbered, skewed, shuffled, lossy, noisy])
def test_other_seeds_make_other_variants(transform: Any, run: Path, tmp_path: Path) -> None:
    made_of = set()
    for seed in range(4):
        target = tmp_path / str(seed)
        target.mkdir()
        transform(run, target, seed=seed)
        made_of.add(b"".join(path.read_bytes() for path in sorted(target.iterdir())))
    assert len(made_of) > 1


@pytest.mark.parametrize("name", [name for name in VARIANTS if "lost" not in name and "noise" not in name])
def test_no_line_is_lost_or_added(name: str, run: Path, tmp_path: Path) -> None:
    variant = made(VARIANTS[name], run, tmp_path)
    for file in names(run):
        assert len(list(lines(variant / file))) == len(list(lines(run / file)))


class TestRenumbered:
    @pytest.fixture
    def variant(self, run: Path, tmp_path: Path) -> Path:
        return made(renumbered, run, tmp_path)

    def test_each_address_and_port_means_one_other_everywhere(self, run: Path, variant: Path) -> None:
        for pattern, group in ((ADDRESS, 0), (PORT, 2)):
            pairs = {
                (old[group], new[group])
                for file in names(run)
                for before, after in zip(lines(run / file), lines(variant / file), strict=True)
                for old, new in zip(pattern.finditer(before), pattern.finditer(after), strict=True)
            }
            assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs)

    def test_only_numbers_change(self, run: Path, variant: Path) -> None:
        def without(text: str) -> str:
            text = PORT.sub(r"\1", ADDRESS.sub("address", text))
            return re.sub(r"2001:[0-9a-f:]+", "address6", text)

        for file in names(run):
            before, after = map(without, lines(run / file)), map(without, lines(variant / file))
            assert list(before) == list(after)

    def test_labels_and_doors_speak_of_the_same_packets_as_the_lines(self, variant: Path) -> None:
        labels = {label["id"]: label for label in content(variant, "labels")}
        packets = {
            found.groups()[:2] + found.groups()[3:]
            for line in lines(variant / "srv1-syslog.iso.log")
            if (found := PACKET.search(line))
        }
        door = content(variant, "doors")[labels["a1"]["door"]]
        event = labels["a1"]
        steps = [step.partition("/")[2] for step in door["secret"]]
        assert event["sequence"] == door["secret"]
        assert event["dst"] in door["destinations"]
        assert f"tcp/{event['connect']['port']}" == door["service"] != "tcp/22"
        assert {(event["src"][0], event["dst"], step) for step in steps} <= packets

    def test_no_old_address_or_secret_remains(self, variant: Path) -> None:
        everything = "\n".join(
            path.read_text() for path in variant.iterdir() if not path.name.endswith("views.json")
        )
        assert not re.search(
            r"(?<![\d.])(?:203\.0\.113|198\.18\.7)\.|2001:0?db8:(?:0*a|0*5|0*c):", everything
        )
        assert not re.search(r"DPT=(?:7000|8000|9000|62201|22) |--dport 22 |tcp/22\b", everything)

    def test_daemons_and_the_kernel_write_ipv6_their_ways(self, variant: Path) -> None:
        (label,) = (label for label in content(variant, "labels") if label["id"] == "l1")
        syslog = (variant / "srv1-syslog.iso.log").read_text()
        full = ":".join(f"{int(group or '0', 16):04x}" for group in label["src"][0].split(":")[:3])
        assert f"knockd: {label['src'][0]}: openSSH: Stage 1" in syslog
        assert f"SRC={full}:0000:0000:0000:0000:" in syslog

    @given(st.integers(0, 3), st.integers(0, 254), st.integers(1, 254))
    def test_addresses_outside_the_lab_stay(self, seed: int, network: int, host: int) -> None:
        other = other_addresses(seed)
        assert other(f"10.0.{network}.{host}") == f"10.0.{network}.{host}"
        assert other("0.0.0.0") == "0.0.0.0"
        assert other(f"198.18.7.{host}").startswith("198.19.201.")


class TestStretched:
    @pytest.fixture
    def variant(self, run: Path, tmp_path: Path) -> Path:
        return made(stretched, run, tmp_path)

    @pytest.mark.parametrize("file", ["srv1-syslog.iso.log", "srv1-ulogd.json", "router-conntrack.out"])
    def test_exact_times_are_20_times_as_far_apart(self, file: str, run: Path, variant: Path) -> None:
        before = [at for at, _ in timed(run / file) if at is not None]
        after = [at for at, _ in timed(variant / file) if at is not None]
        assert [(at - before[0]) * 20 for at in before] == [at - after[0] for at in after]

    @pytest.mark.parametrize("file", ["srv1-syslog", "srv3-syslog", "router-syslog"])
    def test_coarse_times_are_those_of_the_same_exact_line(self, file: str, variant: Path) -> None:
        pairs = zip(lines(variant / f"{file}.log"), lines(variant / f"{file}.iso.log"), strict=True)
        for coarse, exact in pairs:
            when = datetime.fromisoformat(exact.split(" ", 1)[0])
            assert coarse.startswith(f"{when:%b} {when.day:2} {when:%H:%M:%S} ")

    def test_knockds_minutes_are_those_of_its_syslog(self, variant: Path) -> None:
        for kind, minutes in (("srv1-knockd-a.log", "srv1-syslog"), ("srv3-knockd.log", "srv3-syslog")):
            said = {
                (line[:16].replace("T", " "), line.partition(" knockd: ")[2])
                for line in lines(variant / f"{minutes}.iso.log")
            }
            own = {(line[1:17], line[19:]) for line in lines(variant / kind) if line.startswith("[")}
            assert {pair for pair in own if "Stage" in pair[1] or "SESAME" in pair[1]} <= said

    def test_the_kernels_clock_keeps_step(self, run: Path, variant: Path) -> None:
        stamp = re.compile(r"kernel: \[ *([\d.]+)\]")

        def stamps(folder: Path) -> list[float]:
            return [
                float(found[1]) for found in map(stamp.search, lines(folder / "srv1-syslog.log")) if found
            ]

        assert [at * 20 for at in stamps(run)] == pytest.approx(stamps(variant))

    def test_labels_are_stretched_alike(self, run: Path, variant: Path) -> None:
        old = {label["id"]: label for label in content(run, "labels")}
        for label in content(variant, "labels"):
            before = old[label["id"]]
            assert label["end"] - label["start"] == pytest.approx(
                (before["end"] - before["start"]) * 20, abs=1e-4
            )
            assert "start_iso" not in label
        corpus = load(variant)
        for name, view in content(variant, "views").items():
            signal, entry = held(variant, view, content(variant, "labels"))
            assert corpus.views[name].signal <= signal
            assert corpus.views[name].entry <= entry

    def test_what_fwknopd_says_of_time_is_stretched_too(self, run: Path, variant: Path) -> None:
        def allowed(folder: Path) -> float:
            file = folder / "srv1-syslog.iso.log"
            (added,) = (line for line in lines(file) if "Added access rule" in line)
            return int(added.rpartition(" ")[2]) - datetime.fromisoformat(added.split(" ", 1)[0]).timestamp()

        assert allowed(variant) == pytest.approx(20 * allowed(run), abs=1)


class TestSkewed:
    def test_each_host_is_off_by_three_seconds_its_own_way(self, run: Path, tmp_path: Path) -> None:
        variant = made(skewed, run, tmp_path)
        shifts: dict[str, set[int]] = {}
        for path, host, form in texts(run):
            if form.exact:
                pairs = zip(timed(path), timed(variant / path.name), strict=True)
                shifts.setdefault(host, set()).update(
                    (after - before) // SECOND for (before, _), (after, _) in pairs if before and after
                )
        assert all(len(shift) == 1 for shift in shifts.values())
        assert set().union(*shifts.values()) == {-3, 3}

    def test_labels_keep_the_true_time_and_views_know_of_the_clocks(self, run: Path, tmp_path: Path) -> None:
        variant = made(skewed, run, tmp_path)
        old = {label["id"]: label["start"] for label in content(run, "labels")}
        assert all(label["start"] == old[label["id"]] for label in content(variant, "labels"))
        assert {view.clock_seconds for view in load(variant).views.values()} == {3}


def test_shuffled_lines_are_the_same_in_another_order(run: Path, tmp_path: Path) -> None:
    variant = made(shuffled, run, tmp_path)
    for file in names(run):
        before, after = list(lines(run / file)), list(lines(variant / file))
        assert Counter(before) == Counter(after)
        assert before != after or len(set(before)) < 4


def test_a_large_file_is_shuffled_in_parts(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.variants.SHUFFLE_BYTES", 1000)
    variant = made(shuffled, run, tmp_path)
    file = "srv1-syslog.iso.log"
    assert Counter(lines(run / file)) == Counter(lines(variant / file))


class TestLossy:
    def test_what_is_left_stands_in_its_order(self, run: Path, tmp_path: Path) -> None:
        target = tmp_path / "half"
        target.mkdir()
        lossy(run, target, loss=0.5)
        for file in names(run):
            before = iter(lines(run / file))
            assert all(line in before for line in lines(target / file))

    def test_views_no_longer_hold_what_is_lost(self, run: Path, tmp_path: Path) -> None:
        lossy(run, tmp_path, loss=1.0)
        views = content(tmp_path, "views")
        assert all(not view["signal"] and not view["entry"] for view in views.values())

    def test_views_still_hold_what_is_not_lost(self, run: Path, tmp_path: Path) -> None:
        lossy(run, tmp_path, loss=0.0)
        old = content(run, "views")
        assert all(
            (view["signal"], view["entry"]) == (old[name]["signal"], old[name]["entry"])
            for name, view in content(tmp_path, "views").items()
        )

    @pytest.mark.corpus
    def test_about_one_line_in_a_hundred_is_lost(self, corpus: Path, tmp_path: Path) -> None:
        lab = corpus / "lab-a"
        variant = made(lossy, lab, tmp_path)
        before, after = (
            sum(sum(1 for _ in lines(path)) for path, _, _ in texts(folder)) for folder in (lab, variant)
        )
        assert 0.985 < after / before < 0.995
        old = content(lab, "views")
        for name, view in content(variant, "views").items():
            assert 0.85 * len(old[name]["signal"]) < len(view["signal"]) <= len(old[name]["signal"])

    @pytest.mark.corpus
    def test_held_agrees_with_the_labs_own_views(self, corpus: Path) -> None:
        """The definitions are those of views.json: on untouched text they give what stands there."""
        lab = corpus / "lab-a"
        for name, view in content(lab, "views").items():
            if name != "packets":
                found = held(lab, view, content(lab, "labels"))
                assert found == (set(view["signal"]), set(view["entry"])), name


class TestNoisy:
    TIMES = 8

    @pytest.fixture
    def variant(self, run: Path, tmp_path: Path) -> Path:
        noisy(run, tmp_path, times=self.TIMES)
        return tmp_path

    def test_the_run_itself_is_all_there_and_the_rest_is_noise(self, run: Path, variant: Path) -> None:
        added = {source for label in content(variant, "labels")[-1:] for source in label["src"]}
        assert len(added) == 2 * (self.TIMES - 1)
        for file in names(run):
            remaining = Counter(lines(variant / file))
            remaining.subtract(lines(run / file))
            assert min(remaining.values(), default=0) >= 0
            assert all(added & set(ADDRESS.findall(line)) for line in remaining.elements())

    def test_unanswered_packets_come_that_many_times(self, run: Path, variant: Path) -> None:
        def dropped(folder: Path, network: str) -> int:
            pattern = re.compile(rf"IPT-DROP: .*SRC={network}")
            return sum(bool(pattern.search(line)) for line in lines(folder / "srv1-syslog.log"))

        once = dropped(run, r"198\.18\.7\.(?:109|74) ")
        assert once > 0
        assert dropped(variant, r"198\.18\.(?:6[4-9]|[7-9]\d)\.") == once * (self.TIMES - 1)

    def test_a_packet_is_the_same_in_every_log(self, variant: Path) -> None:
        def packets(file: str, word: str) -> set[tuple[str, ...]]:
            found = (PACKET.search(line) for line in lines(variant / file) if word in line)
            return {one.groups() for one in found if one and one[1].startswith("198.18.6")}

        seen = packets("srv1-syslog.iso.log", "IPT-DROP")
        assert seen
        assert seen == packets("srv1-syslog.log", "IPT-DROP") == packets("srv1-ulogd.log", "IPT-DROP")
        assert seen <= packets("router-syslog.iso.log", "EDGE")
        assert seen <= packets("router-conntrack.out", "NEW")

    def test_logs_stay_in_the_order_of_time(self, variant: Path) -> None:
        for file in (
            "srv1-syslog.iso.log",
            "router-syslog.iso.log",
            "srv1-ulogd.json",
            "router-conntrack.out",
        ):
            times = [at for at, _ in timed(variant / file) if at is not None]
            assert times == sorted(times), file

    def test_noise_hits_no_door_and_no_open_port(self, variant: Path) -> None:
        used = {"22", "2022", "2200", "2222", "7000", "8000", "9000", "62201", "80", "443", "8080", "8443"}
        hit = {
            found[4]
            for line in lines(variant / "router-syslog.log")
            if (found := PACKET.search(line)) and found[1].startswith("198.18.6")
        }
        assert hit
        assert not hit & used


@given(st.integers(0, 4_000_000_000 * SECOND), st.sampled_from([form for _, form in FORMS]))
def test_a_time_that_is_written_is_read_again(time_us: int, form: Form) -> None:
    samples = {
        "_read_iso": "2026-11-22T11:23:34.201111+00:00 srv1 knockd: x",
        "_read_rfc3164": "Nov 22 11:23:34 srv1 knockd: x",
        "_read_conntrack": "[1795346618.709986]\t    [NEW] ipv4",
        "_read_knockd": "[2026-11-22 11:23] x",
        "_read_json": '{"timestamp": "2026-11-22T11:23:38.709930", "oob.time.sec": 1, "oob.time.usec": 2}',
    }
    within = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us % (364 * 86400 * SECOND))
    at = round(within.timestamp()) * SECOND + within.microsecond
    step = 60 * SECOND if "knockd" in form.read.__name__ else 1 if form.exact else SECOND
    written = form.write(samples[form.read.__name__], at)
    assert form.read(written) == at // step * step
    assert form.write(written, at) == written
