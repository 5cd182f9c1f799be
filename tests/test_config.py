import re
from contextlib import suppress
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.config import FILE_NAME, Config, load, template
from knockwatch.entries import network_of
from knockwatch.errors import ConfigError

LISTS = ("administrators", "scanners", "monitors", "load_balancers", "developers")


def read(text: str) -> Config:
    return Config.from_toml(text, FILE_NAME)


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def test_no_file_in_the_current_folder_means_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None) == Config()


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "bytes.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        load(file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(b"\xef\xbb\xbf[time]\nyear = 2025\n")
    assert load(file).time.year == 2025


def test_broken_toml_names_the_line() -> None:
    assert complaint("[context]\nscanners = [\n").startswith(f"{FILE_NAME}:")
    assert complaint("[time]\n\nzone = UTC\n").startswith(f"{FILE_NAME}:3: is no valid TOML")


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    "entry",
    [
        "300.1.1.1",
        "10.0.0.0/33",
        "10.0.0",
        "10.0.0.*",
        "10.0.0.1-10.0.0.9",
        "1::g",
        "2001:db8::/129",
        "host/24",
    ],
)
def test_what_looks_like_an_address_and_is_none_is_an_error_that_names_the_key(key: str, entry: str) -> None:
    assert re.search(
        rf"^{FILE_NAME}:3: context\.{key}\.1: .*{re.escape(entry)}.*is none",
        complaint(f'[context]\n{key} = ["10.0.0.1",\n"{entry}"]\n'),
    )


@pytest.mark.parametrize(
    "entry", ["", " alice", "alice ", "alice, bob", "srv*", "bad\\u0000name", "two\\nlines"]
)
def test_what_can_be_no_name_is_an_error(entry: str) -> None:
    assert "context.scanners.0" in complaint(f'[context]\nscanners = ["{entry}"]\n')


def test_a_network_with_a_host_in_it_is_an_error_that_says_how_to_write_it() -> None:
    assert "write 10.0.0.0/8" in complaint('[context]\nscanners = ["10.1.2.3/8"]\n')


@pytest.mark.parametrize(
    "entry", ["srv1", "srv1.example.org", "alice", "CORP\\alice", "NT AUTHORITY\\SYSTEM", "WEB$"]
)
def test_hosts_and_users_are_names(entry: str) -> None:
    assert network_of(entry) is None
    assert read(f"[context]\nadministrators = ['{entry}']\n").context.administrators == (entry,)


@given(st.ip_addresses())
def test_every_address_is_an_entry_and_a_network_of_its_own(address: object) -> None:
    network = network_of(str(address))
    assert network is not None
    assert network.num_addresses == 1


@given(st.text("0123456789abcdef.:/*-% \\", min_size=1))
def test_any_text_is_an_entry_or_one_clear_error(text: str) -> None:
    with suppress(ConfigError):
        Config.from_toml(tomlkit.dumps({"context": {"scanners": [text]}}), FILE_NAME)


@pytest.mark.parametrize(
    "port", ["tcp/70000", "tcp/65536", "tcp/0", "22", "sctp/22", "tcp/", "TCP/22", "tcp/022"]
)
def test_a_door_needs_a_service_that_exists(port: str) -> None:
    assert "context.doors.0.port" in complaint(f'[[context.doors]]\nhost = "srv1"\nport = "{port}"\n')


def test_a_door_needs_a_host_that_exists() -> None:
    text = '[[context.doors]]\nhost = "300.1.1.1"\nport = "tcp/65535"\n'
    assert complaint(text).startswith(f"{FILE_NAME}:2: context.doors.0.host")


def test_a_missing_key_is_named() -> None:
    assert "context.doors.0.port: is missing" in complaint('[[context.doors]]\nhost = "srv1"\n')


def test_an_unknown_key_is_an_error() -> None:
    assert "no such key" in complaint("[context]\nscanner = []\n")


def test_a_word_where_a_list_belongs_is_explained() -> None:
    assert "should be a list, as in ['10.0.0.1']" in complaint('[context]\nscanners = "10.0.0.1"\n')


def test_a_host_has_addresses_not_networks() -> None:
    assert "hosts.srv1.0" in complaint('[hosts]\nsrv1 = ["10.0.0.0/8"]\n')


def test_bounds_that_leave_nothing_are_an_error() -> None:
    assert "sequence_ports_min" in complaint("[thresholds]\nsequence_ports_min = 9\n")


def test_every_fault_is_reported_with_its_line() -> None:
    words = complaint('[context]\nscanners = ["300.1.1.1"]\nmonitors = ["10.0.0.0/33"]\n')
    assert words.startswith(f"{FILE_NAME}:2: context.scanners.0")
    assert "; line 3: context.monitors.0" in words


def test_the_line_of_a_key_is_known() -> None:
    config = read('[context]\nscanners = [\n  "10.0.0.1", # one\n  "10.0.0.2",\n]\n')
    assert config.where("context", "scanners", 1) == f"{FILE_NAME}:4"


def test_a_configuration_that_comes_from_no_file_has_no_lines() -> None:
    assert Config().where("context", "scanners", 0) == "configuration"


def test_where_a_configuration_stands_is_no_part_of_what_it_says() -> None:
    assert read("[time]\nyear = 2025\n") == read("\n\n[time]\n\nyear = 2025\n")


def test_the_template_changes_nothing() -> None:
    assert read(template()) == Config()


def test_the_template_without_its_comment_marks_is_the_defaults() -> None:
    bare = re.sub(r"(?m)^#(?=\w)", "", template())
    assert bare != template()
    assert read(bare) == Config()


def test_every_example_of_the_template_is_valid() -> None:
    config = read(re.sub(r"(?m)^#: ", "", template()))
    assert all(getattr(config.context, key) for key in (*LISTS, "doors"))
    assert config.hosts
    assert config.tables


def test_the_template_explains_every_key() -> None:
    text = template()
    for name, field in Config.model_fields.items():
        assert f"\n[{name}]\n" in text
        for key, setting in getattr(field.annotation, "model_fields", {}).items():
            assert setting.description, f"{name}.{key} has no description"
            assert re.search(rf"(?m)^#(: )?\[*({name}\.)?{key}\b", text), (
                f"{name}.{key} is not in the template"
            )
