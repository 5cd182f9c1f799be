"""pf's rules as a state machine."""

from knockwatch.hoststate.pf import read
from tests.hoststate.reading import doors, numbered
from tests.sources.reading import SAMPLES

SAMPLE = (SAMPLES / "pf-rules" / "overload.pf.conf").read_text()


def test_tables_that_overflow_are_the_stages_of_a_door() -> None:
    [((steps, service), rows)] = doors(read, SAMPLE).items()

    assert (steps, service) == ("tcp/7000 tcp/8000", "tcp/22")
    assert rows[0]["seconds"] == 15


def test_a_table_of_brutes_is_no_door() -> None:
    text = """\
block in quick from <bruteforce>
pass in inet proto tcp to port ssh keep state \\
    (max-src-conn 100, max-src-conn-rate 15/5, overload <bruteforce> flush global)"""
    assert doors(read, text) == {}


def test_settings_without_a_rule_are_nobodys() -> None:
    assert not read(numbered("log_file = /var/log/x\nset timeout 3")).known
