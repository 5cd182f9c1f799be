"""What writing proposals leaves of a configuration file."""

import stat
from pathlib import Path

import pytest

from knockwatch.config import Config, template
from knockwatch.errors import ConfigError
from knockwatch.tuning.measure import Change, Outcome
from knockwatch.tuning.proposals import Proposal
from knockwatch.tuning.written import added, write

NOTHING = Outcome(frozenset(), 0, 0, frozenset())


def proposal(entry: str, key: str = "monitors") -> Proposal:
    """A proposal whose sentence is hostile."""
    return Proposal(key, entry, "checks \x1b[2J tcp/80\n[hosts]", None, (), Change(NOTHING, NOTHING))


BOTH = [proposal("192.0.2.1"), proposal("192.0.2.2"), proposal("192.0.2.3", "scanners")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n[thresholds] # t\nsequence_ports_min = 4\n",
        '[context]\n# who\nscanners = ["192.0.2.130"] # ours\n\n[[context.doors]]\nhost = "srv3"\nport = "tcp/22"\n',
        '[context]\nmonitors = [\n  "a", # first\n  "b"  # second\n]\n[hosts]\n',
        '[[context.doors]]\nhost = "srv3"\nport = "tcp/22"\n[hosts]\n',
        'context.monitors = ["x"]\n',
        "[context]\r\nmonitors = []\r\n# c\r\n",
        'context = { monitors = ["x"] }\n',
        template(),
    ],
)
def test_what_stood_there_stays_and_the_entries_are_added(text: str) -> None:
    before = Config.from_toml(text, "f.toml")
    after = added(text, BOTH, "f.toml")
    said = Config.from_toml(after, "f.toml")
    assert said.context.monitors == (*before.context.monitors, "192.0.2.1", "192.0.2.2")
    assert said.context.scanners == (*before.context.scanners, "192.0.2.3")
    assert said.context.doors == before.context.doors
    assert (said.thresholds, said.hosts) == (before.thresholds, before.hosts)
    assert all(
        comment in after for comment in ("# mine", "# who", "# ours", "# first", "# c") if comment in text
    )
    assert "\x1b" not in after


def test_a_file_keeps_its_mode_and_a_missing_one_is_made(tmp_path: Path) -> None:
    file = tmp_path / "knockwatch.toml"
    write(file, BOTH)
    file.chmod(0o600)
    write(file, [proposal("192.0.2.9")])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Config.from_toml(file.read_text(), "f").context.monitors == ("192.0.2.1", "192.0.2.2", "192.0.2.9")
    assert [path.name for path in tmp_path.iterdir()] == ["knockwatch.toml"]


def test_a_file_that_is_no_configuration_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "knockwatch.toml"
    file.write_text("[contxt]\n")
    with pytest.raises(ConfigError, match="contxt"):
        write(file, BOTH)
    assert file.read_text() == "[contxt]\n"
