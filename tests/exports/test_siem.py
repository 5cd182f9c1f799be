"""Sigma, what is made of it, packets and hosts: each export is checked by what can be had, and run if it can be."""

import json
import os
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.config import Config
from knockwatch.detections import detections
from knockwatch.detections._signatures import signatures
from knockwatch.exports import Exported, targets
from knockwatch.exports._byte_patterns import byte_pattern
from knockwatch.exports._siem_page import siem_page
from knockwatch.exports._sigma_rules import MissingLibraryError, sigma_files, with_needs
from tests.exports.sigma_slices import database, found

OURS = ("auditd", "elastic", "loki", "opensearch", "osquery", "sigma", "splunk", "suricata", "zeek")
SIGMA = sorted(sigma_files(Config()))
LABELS = Path(__file__).parents[1] / "data" / "lab" / "labels.json"
SITE = Config.from_toml(
    '[context]\nadministrators = ["198.51.100.10", "alice"]\nscanners = ["198.51.100.128/25", "2001:db8::/64"]\n'
    '[[context.doors]]\nhost = "203.0.113.10"\nport = "tcp/2022"\nsources = ["198.51.100.12", "2001:db8:d::/48"]\n'
    "[thresholds]\nsequence_ports_min = 4\nsequence_span_seconds = 240\n",
    "knockwatch.toml",
)
OSQUERY = {
    "process_open_sockets": "pid fd socket family protocol local_address remote_address path",
    "processes": "pid name path cmdline state cwd root uid gid on_disk start_time parent pgroup threads nice",
    "iptables": "filter_name chain policy target protocol src_port dst_port src_ip src_mask match packets",
    "file": "path directory filename inode uid gid mode device size atime mtime ctime type",
    "listening_ports": "pid port protocol family address fd socket path",
}
"""Columns of osquery's tables (osquery.io/schema)."""


def written(name: str, folder: Path, config: Config | None = None) -> tuple[list[Exported], dict[str, str]]:
    told = targets()[name].write(folder, {one.rule.id: one.rule for one in detections()}, config or Config())
    return list(told), {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def logs() -> sqlite3.Connection:
    pytest.importorskip("sigma.backends.sqlite")
    return database()


@pytest.mark.parametrize("name", OURS)
def test_every_file_says_what_it_keeps_what_is_lost_and_how_it_was_proven(name: str, tmp_path: Path) -> None:
    told, texts = written(name, tmp_path)
    assert {path.name for one in told for path in one.files} == set(texts)
    known = {one.rule.id for one in detections()}
    assert {one.rule for one in told} <= known
    for text in texts.values():
        assert "Legs:" in text
        assert "Lost:" in text
        assert "Proof:" in text
        assert "{{" not in text
        assert "None" not in text


CONTEXT = {
    "addresses of administrators and developers": "198.51.100.10",
    "scanners, monitors and load balancers": "198.51.100.128",
    "names of hosts and users": "alice",
    "authorised doors": "2001:db8:d::",
}
"""What a rule may leave out of the context, and what of it stands in a rule for `SITE` that does not."""


@pytest.mark.parametrize("name", OURS)
def test_every_rule_has_the_context_in_it_or_says_what_it_leaves_out(name: str, tmp_path: Path) -> None:
    told, texts = written(name, tmp_path, SITE)
    for one in told:
        wanted = dict(CONTEXT)
        if "entry" not in one.legs:
            del wanted["authorised doors"]
        if set(one.legs) != {"signal"}:
            del wanted["scanners, monitors and load balancers"]
        # What a correlation takes from the rules that it needs stands in their files.
        together = one.made == "converted" or name == "sigma"
        text = "".join(texts.values() if together else (texts[path.name] for path in one.files))
        for words, value in wanted.items():
            assert words in one.lost or value in text, (one.name, words)


@pytest.mark.parametrize("name", ["opensearch", "loki", "splunk"])
def test_authorised_doors_and_known_networks_are_left_out_of_entries(name: str, tmp_path: Path) -> None:
    _, texts = written(name, tmp_path, SITE)
    (text,) = (text for file, text in texts.items() if file.startswith("denied-then-accepted"))
    for value in ("198.51.100.10/32", "2022", "203.0.113.10/32", "198.51.100.12/32", "2001:db8:d::/48"):
        assert value in text
    (bare,) = (
        text for file, text in written(name, tmp_path)[1].items() if file.startswith("denied-then-accepted")
    )
    assert not re.search(r"(?i)cidrmatch|\bip\(", bare)


def test_the_description_of_a_sigma_rule_says_what_is_lost() -> None:
    yaml = pytest.importorskip("yaml")
    for one in sigma_files(SITE).values():
        last = list(yaml.safe_load_all(one.text))[-1]
        assert f"Lost: {one.lost}." in last["description"]


@pytest.mark.parametrize("name", OURS)
def test_the_same_site_gives_the_same_files(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert written(name, tmp_path / "a", SITE)[1] == written(name, tmp_path / "b", SITE)[1]


VALIDATORS = {
    "all_of_them_condition", "cartag", "control_character", "custom_attributes", "cvetag", "dangling_condition",
    "dangling_detection", "detection_tag", "double_wildcard", "duplicate_filename", "duplicate_references",
    "duplicate_tag", "duplicate_title", "escaped_wildcard", "fieldname_logsource", "filename_length",
    "identifier_existence", "identifier_uniqueness", "invalid_modifier_combinations", "namespace_tag",
    "number_as_string", "specific_instead_of_generic_logsource", "stptag", "tag_format",
    "them_condition_with_single_detection", "tlptag", "tlpv1_tag", "tlpv2_tag", "wildcards_instead_of_modifiers",
}  # fmt: skip
"""What `sigma check` runs here: all that it has but two, which fetch what they compare with from a network."""
FETCHING = {"attacktag", "d3_fendtag"}
ATTACK = "KNOCKWATCH_ATTACK"
"""Where a copy of MITRE's enterprise-attack.json is, if there is one: then `attacktag` runs too."""


@pytest.mark.parametrize("config", [Config(), SITE], ids=["default", "site"])
def test_sigma_check_finds_no_issue_in_the_files_that_are_exported(config: Config, tmp_path: Path) -> None:
    pytest.importorskip("sigma.cli", reason="sigma-cli is not installed")
    from sigma.plugins import InstalledSigmaPlugins

    _, texts = written("sigma", tmp_path, config)
    told = run_sigma_check(tmp_path, *FETCHING)
    assert "Found 0 errors, 0 condition errors and 0 issues." in told
    # A newer sigma-cli may have more: they run too, and this says so.
    assert set(InstalledSigmaPlugins.autodiscover().validators) == VALIDATORS | FETCHING
    assert len(texts) == len(SIGMA)


def test_sigma_check_would_find_an_issue(tmp_path: Path) -> None:
    pytest.importorskip("sigma.cli", reason="sigma-cli is not installed")
    _, texts = written("sigma", tmp_path)
    wrong = texts["knock-client.yml"].replace("tags: [", "tags: [attack.persistence, ")
    (tmp_path / "knock-client.yml").write_text(wrong, "utf-8")
    assert "and 0 issues" not in run_sigma_check(tmp_path, *FETCHING, status=1)


def test_sigma_check_knows_our_tags_of_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (place := os.environ.get(ATTACK)):
        pytest.skip(f"set {ATTACK} to a copy of MITRE's enterprise-attack.json")
    from sigma.data import mitre_attack

    monkeypatch.setattr(mitre_attack, "_custom_cache_dir", str(tmp_path / "cache"))
    mitre_attack.set_url(place)
    (tmp_path / "rules").mkdir()
    written("sigma", tmp_path / "rules")
    assert "and 0 issues" in run_sigma_check(tmp_path / "rules", "d3_fendtag")


def run_sigma_check(folder: Path, *left_out: str, status: int = 0) -> str:
    """Run the command and give what it says."""
    from click.testing import CliRunner
    from sigma.cli.check import check

    options = [word for name in sorted(left_out) for word in ("--exclude", name)]
    done = CliRunner().invoke(check, ["--fail-on-issues", "--fail-on-error", *options, str(folder)])
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("name", SIGMA)
def test_a_sigma_rule_finds_in_the_slices_what_its_proof_says(name: str, logs: sqlite3.Connection) -> None:
    rule = sigma_files(Config())[name]
    rows = found(logs, sigma_files(Config()), name)
    assert len(rows if rule.form == "rule" else {row[1] for row in rows}) == rule.rows


def test_a_configured_daemon_is_found(logs: sqlite3.Connection) -> None:
    logs.execute("INSERT INTO logs (TargetFilename) VALUES ('/etc/knockd.conf'), ('/etc/hosts')")
    assert len(found(logs, sigma_files(Config()), "daemon-configured")) == 1
    logs.execute("DELETE FROM logs WHERE TargetFilename IS NOT NULL")


def test_who_is_denied_and_then_let_in_is_one_who_knocked_with_success(logs: sqlite3.Connection) -> None:
    labels = json.loads(LABELS.read_text("utf-8"))
    entered = {source for label in labels if label["success"] for source in label["src"]}
    failed = {source for label in labels if not label["success"] for source in label["src"]} - entered
    groups = {row[1] for row in found(logs, sigma_files(Config()), "denied-then-accepted")}
    sources = {json.loads(group)["src_ip"] for group in groups}
    assert sources <= entered
    assert not sources & failed


def test_the_site_s_own_are_left_out(logs: sqlite3.Connection) -> None:
    groups = {row[1] for row in found(logs, sigma_files(SITE), "denied-run")}
    assert groups
    assert "198.51.100.10" not in {json.loads(group)["src_ip"] for group in groups}


def test_every_eql_file_is_read_by_elastic_s_parser(tmp_path: Path) -> None:
    parser = pytest.importorskip("eql.parser")
    _, texts = written("elastic", tmp_path, SITE)
    sequences = {name: text for name, text in texts.items() if name.endswith(".eql")}
    assert len(sequences) > 5
    for text in sequences.values():
        with parser.elasticsearch_syntax, parser.ignore_missing_functions:
            assert parser.parse_query(text)


def test_what_pysigma_writes_of_an_ordered_correlation_is_no_eql() -> None:
    """The reason why we write these ourselves: when this fails, conversion may take over."""
    parser = pytest.importorskip("eql.parser")
    errors = pytest.importorskip("eql.errors")
    from sigma.backends.elasticsearch.elasticsearch_eql import EqlBackend
    from sigma.collection import SigmaCollection

    text = with_needs(sigma_files(Config()), "daemon-then-log-in")
    converted = str(EqlBackend().convert(SigmaCollection.from_yaml(text))[-1])
    with pytest.raises(errors.EqlError), parser.elasticsearch_syntax, parser.ignore_missing_functions:
        parser.parse_query(converted)


def test_suricata_s_rules_are_read_and_have_their_own_ids(tmp_path: Path) -> None:
    suricataparser = pytest.importorskip("suricataparser")
    _, texts = written("suricata", tmp_path)
    (text,) = texts.values()
    rules = suricataparser.parse_rules(text)
    assert len(rules) == len({rule.sid for rule in rules}) > 20
    assert not any(rule.enabled for rule in rules if "trust low" in rule.raw)
    for pattern in re.findall(r'pcre:"/(.+?)/s?"', text):
        re.compile(pattern.encode())


def test_zeek_s_script_is_read_by_its_own_grammar(tmp_path: Path) -> None:
    zeekscript = pytest.importorskip("zeekscript")
    written("zeek", tmp_path, SITE)
    script = zeekscript.Script(tmp_path / "knockwatch.zeek")
    assert script.parse()
    assert not script.has_error()


PATTERNS = sorted(
    pattern
    for one in signatures().values()
    for pattern in one.match.get("payload_head", {}).get("matches", ())
    if byte_pattern(pattern)
)


@given(payload=st.binary(max_size=32), pattern=st.sampled_from(PATTERNS), tail=st.booleans())
def test_a_pattern_over_bytes_says_what_the_one_over_hexadecimal_says(
    payload: bytes, pattern: str, tail: bool
) -> None:
    known = re.findall(r"[0-9a-f]{4,}", re.sub(r"\{\d+\}", "", pattern))
    payload = bytes.fromhex(known[0]) + payload if tail and known and not len(known[0]) % 2 else payload
    over_bytes = re.compile(str(byte_pattern(pattern)).encode(), re.DOTALL)
    assert bool(over_bytes.search(payload)) == bool(re.search(pattern, payload.hex()))


def test_osquery_s_queries_run_on_its_tables(tmp_path: Path) -> None:
    _, texts = written("osquery", tmp_path)
    connection = sqlite3.connect(":memory:")
    for table, columns in OSQUERY.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns.split())})")
    connection.execute("INSERT INTO processes (pid, name) VALUES (7, 'knockd'), (8, 'dhclient')")
    connection.execute("INSERT INTO process_open_sockets (pid, family) VALUES (7, 17), (8, 17)")
    queries = json.loads(texts["knockwatch.conf"])["queries"]
    rows = {name: connection.execute(query["query"]).fetchall() for name, query in queries.items()}
    assert [row[4] for row in rows["packet-sockets"]] == ["knockd"]
    assert len(rows["knock-daemons"]) == 1


def test_auditd_s_keys_are_those_that_sigma_asks_for(tmp_path: Path) -> None:
    _, texts = written("auditd", tmp_path)
    asked = re.search(r"key: \[(knockwatch_\w+)", sigma_files(Config())["packet-socket"].text)
    assert asked is not None
    assert f"-k {asked[1]}\n" in texts["knockwatch.rules"]


@pytest.mark.parametrize(("name", "needs"), [("sigma", "yaml"), ("splunk", "sigma.backends.splunk")])
def test_a_missing_library_is_named(
    name: str, needs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, needs, None)
    with pytest.raises(MissingLibraryError, match=rf"{needs}.*knockwatch\[siem\]"):
        written(name, tmp_path)


def test_the_page_of_targets_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "siem.md"
    assert page.read_text("utf-8") == siem_page(), "run: python docs/siem.py"
