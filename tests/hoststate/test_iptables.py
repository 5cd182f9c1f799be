"""iptables' rules as a state machine."""

from hypothesis import given, settings
from hypothesis import strategies as st

from knockwatch.hoststate.iptables import read
from tests.hoststate.reading import doors, numbered
from tests.sources.reading import SAMPLES

LAB = (SAMPLES / "iptables-save" / "srv1.v4").read_text()
GATES = """\
*filter
:INPUT ACCEPT [0:0]
:KNOCKING - [0:0]
:GATE1 - [0:0]
:GATE2 - [0:0]
:GATE3 - [0:0]
:PASSED - [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp --dport 80 -j ACCEPT
-A INPUT -j KNOCKING
-A GATE1 -p tcp --dport 1111 -m recent --name AUTH1 --set -j DROP
-A GATE1 -j DROP
-A GATE2 -m recent --name AUTH1 --remove
-A GATE2 -p udp --dport 2222 -m recent --name AUTH2 --set -j DROP
-A GATE2 -j GATE1
-A GATE3 -m recent --name AUTH2 --remove
-A GATE3 -p tcp --dport 3333 -m recent --name AUTH3 --set -j DROP
-A GATE3 -j GATE1
-A PASSED -m recent --name AUTH3 --remove
-A PASSED -p tcp --dport 22 -j ACCEPT
-A PASSED -j GATE1
-A KNOCKING -m recent --rcheck --seconds 30 --name AUTH3 -j PASSED
-A KNOCKING -m recent --rcheck --seconds 10 --name AUTH2 -j GATE3
-A KNOCKING -m recent --rcheck --seconds 10 --name AUTH1 -j GATE2
-A KNOCKING -j GATE1
COMMIT
"""


def test_the_labs_two_machines_are_its_two_doors() -> None:
    found = doors(read, LAB)

    assert set(found) == {("tcp/8881 tcp/7777 tcp/9991", "tcp/2022"), ("icmp", "tcp/2022")}
    [rows] = [rows for key, rows in found.items() if key[0] != "icmp"]
    assert {row["seconds"] for row in rows} == {15}
    assert all(row["source_bound"] for row in rows)
    assert any("--dport 7777" in row["rule_text"] for row in rows)
    assert any(row["rule_text"].startswith("-A STAGE3 ") for row in rows)


def test_iptables_s_says_the_same_as_iptables_save() -> None:
    listed = (SAMPLES / "iptables-save" / "srv1-iptables-S.txt").read_text()

    assert set(doors(read, LAB)) < set(doors(read, listed))


def test_gates_that_lead_back_to_the_first_are_no_way_around() -> None:
    """The usual tutorial's chains: every gate ends in the first, so marks seem to need each other."""
    assert set(doors(read, GATES)) == {("tcp/1111 udp/2222 tcp/3333", "tcp/22")}


def test_a_rule_of_fwknopd_tells_what_spa_opens() -> None:
    text = "-A FWKNOP_INPUT -s 198.51.100.33/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1795346820 -j ACCEPT"
    [((steps, service), [row])] = doors(read, text).items()

    assert (steps, service, row["signal"], row["actor"]) == ("", "tcp/22", "spa", "fwknopd")


def test_pknock_names_its_ports_in_one_rule() -> None:
    text = (
        "*filter\n-A INPUT -p tcp -m pknock --knockports 2002,2001,2004 --strict --name SSH --time 10 "
        "-m tcp --dport 22 -j ACCEPT\nCOMMIT"
    )
    assert set(doors(read, text)) == {("tcp/2002 tcp/2001 tcp/2004", "tcp/22")}


def test_an_ipset_that_rules_fill_is_a_mark() -> None:
    text = (
        "*raw\n-A PREROUTING -p udp --dport 5000 -j SET --add-set knocked src --timeout 20\nCOMMIT\n"
        "*filter\n-A INPUT -p tcp --dport 22 -m set --match-set knocked src -j ACCEPT\nCOMMIT"
    )
    assert set(doors(read, text)) == {("udp/5000", "tcp/22")}


def test_a_rate_limit_is_no_door() -> None:
    text = """\
-P INPUT DROP
-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name SSH --rsource
-A INPUT -p tcp -m tcp --dport 22 -m recent --update --seconds 60 --hitcount 4 --name SSH --rsource -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"""
    assert doors(read, text) == {}


def test_session_affinity_is_no_door() -> None:
    """kube-proxy sends a source that came before to the same end again."""
    text = """\
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-A --rsource -j KUBE-SEP-A
-A KUBE-SVC-A -j KUBE-SEP-A
-A KUBE-SEP-A -p tcp -m recent --set --name KUBE-SEP-A --rsource -m tcp -j DNAT --to-destination 10.1.0.2:8080
COMMIT"""
    assert doors(read, text) == {}


def test_a_list_of_who_is_barred_opens_nothing() -> None:
    text = """\
-A INPUT -p tcp --dport 23 -m recent --set --name BAD -j DROP
-A INPUT -p tcp --dport 22 -m recent ! --rcheck --seconds 60 --name BAD -j ACCEPT"""
    assert doors(read, text) == {}


def test_a_rule_that_cannot_be_split_is_a_misfit() -> None:
    assert [
        number for number, _ in read(numbered('-A INPUT -m string --string "cut\n-P INPUT DROP')).misfits
    ] == [1]


def test_marks_that_all_need_each_other_end() -> None:
    """A rule set may be made so that its marks can be asked for in more ways than anybody can follow."""
    rules = [
        f"-A INPUT -p tcp --dport {1000 + one} -m recent --rcheck --name M{other} -m recent --set --name M{one} -j DROP"
        for one in range(25)
        for other in range(25)
    ]
    text = "\n".join([*rules, "-A INPUT -p tcp --dport 22 -m recent --rcheck --name M0 -j ACCEPT"])

    assert doors(read, text) == {}


WORDS = (
    "-A INPUT STAGE1 STAGE2 -p tcp udp icmp --dport 22 7000 99999 -m recent --set --rcheck --remove --name A B C "
    "--seconds 10 ! -j ACCEPT DROP LOG -s 0/0 1.2.3.4 --hitcount 3 --knockports 1,2 -i lo"
)
words = st.sampled_from(WORDS.split())


@settings(max_examples=150)
@given(st.lists(st.lists(words, max_size=14).map(lambda line: "-A " + " ".join(line)), max_size=12))
def test_any_rules_are_read_to_an_end(lines: list[str]) -> None:
    state = read(numbered("\n".join(lines)))

    assert all(row["port"] is None or 0 <= row["port"] <= 65535 for row in state.rows)
