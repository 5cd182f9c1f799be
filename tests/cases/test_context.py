from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.cases.context import Context
from knockwatch.cases.grouping import stories
from knockwatch.config import FILE_NAME, Config
from knockwatch.detections import Finding

from .samples import attempt, cases, client, one, opening, run, running

LISTS = ("administrators", "scanners", "monitors", "load_balancers", "developers")
DOOR = '[[context.doors]]\nhost = "srv1"\nport = "tcp/22"\n'


def known(key: str, *entries: str) -> str:
    return f"[context]\n{key} = [{', '.join(f'{chr(39)}{entry}{chr(39)}' for entry in entries)}]\n"


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    "finding", [run("198.51.100.130"), attempt("198.51.100.130"), client("scan", "198.51.100.130")]
)
def test_every_list_explains_probes_and_clients(key: str, finding: Finding) -> None:
    case = one([finding], known(key, "198.51.100.130"))
    assert case.status == "suppressed"
    assert case.suppressed_by == f"{FILE_NAME}:2: context.{key} = 198.51.100.130"


@pytest.mark.parametrize("key", ["administrators", "developers"])
def test_who_may_knock_may_open(key: str) -> None:
    assert one([opening()], known(key, "198.51.100.0/24")).status == "suppressed"


@pytest.mark.parametrize("key", ["scanners", "monitors", "load_balancers"])
def test_who_only_probes_does_not_explain_an_opening(key: str) -> None:
    case = one([opening()], known(key, "198.51.100.10"))
    assert (case.status, case.suppressed_by) == ("alert", None)


def test_a_suppressed_case_keeps_everything_else() -> None:
    before, after = one([opening()]), one([opening()], known("administrators", "198.51.100.10"))
    assert after.id == before.id
    assert (after.score, after.severity, after.legs) == (before.score, before.severity, before.legs)
    assert (after.attempts, after.evidence, after.missing) == (
        before.attempts,
        before.evidence,
        before.missing,
    )
    assert set(before.explanation) <= set(after.explanation)


def test_the_line_of_the_entry_is_named_not_that_of_the_list() -> None:
    toml = '[context]\nscanners = [\n  "10.0.0.1",\n  # the new one\n  "198.18.7.9",\n]\n'
    assert one([run()], toml).suppressed_by == f"{FILE_NAME}:5: context.scanners = 198.18.7.9"


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("198.18.0.0/15", "198.19.255.255"),
        ("198.18.7.9", "198.18.7.9"),
        ("0.0.0.0/0", "198.18.7.9"),
        ("2001:db8:a::/48", "2001:db8:a:1::10"),
        ("2001:DB8:A:0::10", "2001:db8:a::10"),
        ("198.18.7.0/24", "::ffff:198.18.7.9"),
    ],
)
def test_networks_of_both_families_cover_their_addresses(entry: str, source: str) -> None:
    assert one([run(source)], known("scanners", entry)).status == "suppressed"


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("198.18.0.0/16", "198.19.0.1"),
        ("::/0", "198.18.7.9"),
        ("0.0.0.0/0", "2001:db8::1"),
        ("2001:db8:a::/48", "2001:db8:b::1"),
    ],
)
def test_networks_cover_nothing_else(entry: str, source: str) -> None:
    assert one([run(source)], known("scanners", entry)).status == "lead"


@given(
    st.lists(
        st.ip_addresses().flatmap(lambda ip: st.integers(0, ip.max_prefixlen).map(lambda bits: (ip, bits))),
        max_size=8,
    ),
    st.ip_addresses(),
)
def test_a_source_is_known_just_where_a_network_holds_it(
    networks: list[tuple[object, int]], source: object
) -> None:
    entries = [ip_network(f"{address}/{bits}", strict=False) for address, bits in networks]
    address = ip_address(str(source))
    mapped = getattr(address, "ipv4_mapped", None) or address
    config = Config.model_validate({"context": {"scanners": [str(entry) for entry in entries]}})
    (story,) = stories([run(str(source))], Context(config).hosts)
    covered = any(mapped.version == entry.version and mapped in entry for entry in entries)
    assert bool(Context(config).of(story).suppressed_by) == covered


def test_the_smallest_network_is_the_one_named() -> None:
    case = one([run()], known("scanners", "198.0.0.0/8", "198.18.7.0/24", "198.18.0.0/16"))
    assert case.suppressed_by == f"{FILE_NAME}:2: context.scanners = 198.18.7.0/24"


def test_a_host_name_stands_for_its_addresses() -> None:
    toml = known("scanners", "Scan1") + '[hosts]\nscan1 = ["198.18.7.9", "2001:db8:c::10"]\n'
    assert one([run("2001:db8:c::10")], toml).suppressed_by == f"{FILE_NAME}:2: context.scanners = Scan1"
    assert one([run("198.18.7.8")], toml).status == "lead"


@pytest.mark.parametrize("user", ["alice", "ALICE", "CORP\\alice", "alice@corp.example.org"])
def test_a_user_is_known_in_any_domain(user: str) -> None:
    assert one([client(user)], known("administrators", "alice")).status == "suppressed"


@pytest.mark.parametrize("user", ["alice.smith", "malice", "OTHER\\bob", None])
def test_another_user_is_not_known(user: str | None) -> None:
    assert one([client(user)], known("administrators", "alice", "CORP\\bob")).status == "alert"


@pytest.mark.parametrize("host", ["admin1", "ADMIN1.example.org"])
def test_a_client_is_known_by_its_host(host: str) -> None:
    assert one([client(host=host)], known("developers", "admin1")).status == "suppressed"


def test_a_client_is_known_by_the_address_of_its_host() -> None:
    toml = known("administrators", "198.51.100.0/24") + '[hosts]\nadmin1 = ["198.51.100.10"]\n'
    case = one([client()], toml)
    assert (case.status, case.sources) == ("suppressed", ["198.51.100.10"])


def test_the_host_that_is_knocked_at_does_not_excuse_the_client() -> None:
    assert one([client()], known("administrators", "203.0.113.10")).status == "alert"


def test_an_authorised_door_explains_its_openings() -> None:
    case = one([opening(), attempt()], DOOR)
    assert case.suppressed_by == f"{FILE_NAME}:1: context.doors = srv1 tcp/22"


@pytest.mark.parametrize(
    "finding", [opening(host="srv2"), opening(door="tcp/2200"), opening(door=None), running("srv2")]
)
def test_an_authorised_door_explains_no_other_door(finding: Finding) -> None:
    assert one([finding], DOOR).status != "suppressed"


@pytest.mark.parametrize("host", ["203.0.113.10", "203.0.113.0/28", "srv1", "SRV1"])
@pytest.mark.parametrize(
    "place",
    [
        {"host": "srv1"},
        {"host": None, "destination": "203.0.113.10"},
        {"host": "srv1.example.org", "destination": "203.0.113.10"},
    ],
)
def test_a_door_is_on_its_host_however_either_is_named(host: str, place: dict[str, Any]) -> None:
    toml = f'[[context.doors]]\nhost = "{host}"\nport = "tcp/22"\n[hosts]\nsrv1 = ["203.0.113.10"]\n'
    assert one([opening(**place)], toml).status == "suppressed"


def test_an_authorised_door_admits_whom_it_names() -> None:
    case = one([opening()], DOOR + 'sources = ["10.0.0.0/8",\n"198.51.100.0/24"]\n')
    assert case.suppressed_by == f"{FILE_NAME}:5: context.doors = srv1 tcp/22 for 198.51.100.0/24"


def test_a_source_that_is_not_authorised_keeps_the_case_an_alert() -> None:
    case = one(
        [opening(), opening("198.18.7.11", at=60), attempt("198.18.7.12")],
        DOOR + 'sources = ["198.51.100.10"]\n',
    )
    assert (case.status, case.suppressed_by) == ("alert", None)
    text = " ".join(case.explanation)
    assert f"Known to the site: 198.51.100.10 ({FILE_NAME}:4" in text
    assert "Not authorised at this door: 198.18.7.11 (the door opened) and 198.18.7.12." in text


def test_strangers_who_were_not_let_in_make_an_authorised_door_a_lead() -> None:
    case = one([opening(), attempt("198.18.7.12")], DOOR + 'sources = ["198.51.100.10"]\n')
    assert (case.status, case.suppressed_by) == ("lead", None)
    assert "opened only for those who may" in " ".join(case.explanation)


def test_an_opening_for_nobody_in_particular_is_not_explained_by_a_door() -> None:
    case = one([replace(opening(), sources=())], DOOR)
    assert (case.status, case.suppressed_by) == ("alert", None)


def test_a_daemon_runs_where_a_door_is_authorised() -> None:
    assert one([running()], DOOR).suppressed_by == f"{FILE_NAME}:1: context.doors = srv1 tcp/22"


def test_a_door_explains_the_probes_and_clients_of_whom_it_names() -> None:
    toml = '[[context.doors]]\nhost = "203.0.113.10"\nport = "tcp/22"\nsources = ["198.18.7.9", "alice"]\n'
    assert one([run()], toml).status == "suppressed"
    assert one([client()], toml).status == "suppressed"
    assert one([client("bob")], toml).status == "alert"
    assert one([run(destination="203.0.113.11")], toml).status == "lead"


def test_a_door_for_anyone_does_not_excuse_every_scan_of_its_host() -> None:
    assert one([run()], '[[context.doors]]\nhost = "203.0.113.10"\nport = "tcp/22"\n').status == "lead"


def test_several_lines_are_all_named() -> None:
    toml = known("administrators", "198.51.100.10") + 'developers = ["198.51.100.11"]\n'
    case = one([opening(), opening("198.51.100.11", at=60), opening(at=90)], toml)
    assert case.suppressed_by == (
        f"{FILE_NAME}:2: context.administrators = 198.51.100.10; "
        f"{FILE_NAME}:3: context.developers = 198.51.100.11"
    )


def test_many_networks_cost_no_more_than_their_lengths() -> None:
    config = Config.model_validate(
        {"context": {"scanners": [f"10.{n // 256}.{n % 256}.0/24" for n in range(5000)]}}
    )
    entries = Context(config).lists["scanners"]
    assert len(entries.networks) == 1
    assert entries.find("10.19.135.77") is not None
    assert entries.find("10.20.0.1") is None


def test_context_changes_no_id_and_loses_no_case() -> None:
    findings = [opening(), attempt(host="srv3"), client(), run(), running("srv9")]
    toml = known("administrators", "alice", "198.0.0.0/8")
    assert {case.id for case in cases(findings)} == {case.id for case in cases(findings, toml)}
