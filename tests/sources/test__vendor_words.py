"""The vendors' words: the data file, and what it says of rows."""

from __future__ import annotations

import polars as pl
import pytest

from knockwatch.sources._vendor_words import (
    FIELDS,
    RESETS_BYTES,
    VendorWordsError,
    Word,
    judged,
    read_words,
    words,
)
from knockwatch.tables import ACCEPTED, DENIED, OUTCOMES, REFUSED, UNANSWERED, UNKNOWN

HEAD = "vendor,product,field,value,outcome,unless,source\n"


def row_with(word: Word, value: str) -> dict[str, str]:
    """Write a row of CommonSecurityLog in which a word stands where its field says."""
    row = {
        "DeviceVendor": word.vendor.upper() if word.vendor != "*" else "Other",
        "DeviceProduct": word.product if word.product != "*" else "Other",
    }
    column, _, part = word.field.partition(":")
    templates = {
        "Message:teardown": "Teardown TCP connection 1 for a:192.0.2.1/5 to b:192.0.2.2/22 duration 0:00:30 bytes 0 {}",
        "Message:access-list": "access-list in {} tcp a/192.0.2.1(5) -> b/192.0.2.2(22) hit-cnt 1 first hit",
        "Message:AccessControlRuleAction": "SrcIP: 192.0.2.1, AccessControlRuleAction: {}, DstPort: 22",
        "Activity:last word": "traffic:forward {}",
    }
    if word.field in templates:
        row[column] = templates[word.field].format(value)
    elif part:
        row[column] = f"cat=traffic;{part}={value};other=1"
    else:
        row[column] = value
    return row


def outcome(row: dict[str, str], received: int = 0) -> str:
    return str(judged(pl.DataFrame([{**row, "received": received}]))["outcome"].item())


@pytest.mark.parametrize(
    "word", [pytest.param(w, id=f"{w.profile}-{w.field}-{w.value}-{line}") for line, w in enumerate(words())]
)
def test_every_word_of_every_vendor_gives_its_outcome(word: Word) -> None:
    assert outcome(row_with(word, word.value)) == word.outcome
    assert outcome(row_with(word, word.value.upper())) == word.outcome


@pytest.mark.parametrize(
    "word", [w for w in words() if w.unless_answered], ids=lambda w: f"{w.field}-{w.value}"
)
def test_a_session_that_was_answered_was_accepted_however_it_ended(word: Word) -> None:
    """A reset or a time-out ends real sessions too; a lone reset is no success (trap 14)."""
    assert outcome(row_with(word, word.value), received=40) == word.outcome
    assert outcome(row_with(word, word.value), received=RESETS_BYTES + 1) == ACCEPTED


@pytest.mark.parametrize(
    ("vendor", "product", "column", "value", "expected"),
    [
        ("Palo Alto Networks", "PAN-OS", "DeviceAction", "reset-both", DENIED),
        ("Palo Alto Networks", "PAN-OS", "DeviceAction", "RESET BOTH", DENIED),
        ("Palo Alto Networks", "PAN-OS", "DeviceAction", "drop_icmp", DENIED),
        ("CheckPoint", "VPN-1 & FireWall-1", "DeviceAction", "Reject", REFUSED),
        ("Check Point", "VPN-1 & FireWall-1", "DeviceAction", "Accept", ACCEPTED),
        ("Fortinet", "FortiGate-100F", "Activity", "traffic:local server-rst", REFUSED),
        ("Fortinet", "Fortigate", "Activity", "utm:app-ctrl signature pass", ACCEPTED),
        ("Fortinet", "Fortigate", "AdditionalExtensions", "FTNTFGTaction=ip-conn", UNANSWERED),
        ("Fortinet", "Fortigate", "AdditionalExtensions", "a=b;FortinetFortiGateaction=deny;c=d", DENIED),
        ("Cisco", "ASA", "DeviceEventClassID", "ASA-4-106023", DENIED),
        ("Cisco", "ASA", "DeviceEventClassID", "106023.0", DENIED),
        ("Cisco", "ASA", "DeviceEventClassID", "106100", UNKNOWN),
        ("Zscaler", "NSSFWlog", "DeviceAction", "Block/ICMP", DENIED),
        ("SonicWall", "NSv 270", "AdditionalExtensions", 'gcat=6;fw_action="drop";x=1', DENIED),
        ("SonicWall", "NSv 270", "AdditionalExtensions", "fw_action=drop", DENIED),
        ("FORCEPOINT", "Firewall", "DeviceAction", "Terminate (passive)", DENIED),
        ("Sophos", "XG", "AdditionalExtensions", 'status="Allow"', ACCEPTED),
        ("Whoever", "Whatever", "DeviceAction", "DENY", DENIED),
        ("Whoever", "Whatever", "DeviceAction", '"Permit"', ACCEPTED),
        ("Whoever", "Whatever", "DeviceAction", "Blocked by policy", DENIED),
        ("Whoever", "Whatever", "DeviceAction", "drop-packet", DENIED),
        ("Whoever", "Whatever", "DeviceAction", "not blocked", UNKNOWN),
        ("Whoever", "Whatever", "DeviceAction", "would drop", UNKNOWN),
        ("Whoever", "Whatever", "DeviceAction", "unblocked", UNKNOWN),
        ("Whoever", "Whatever", "DeviceAction", "", UNKNOWN),
    ],
)
def test_words_are_known_in_all_their_spellings(
    vendor: str, product: str, column: str, value: str, expected: str
) -> None:
    assert outcome({"DeviceVendor": vendor, "DeviceProduct": product, column: value}) == expected


def test_how_a_session_ended_counts_before_that_it_was_allowed_to_begin() -> None:
    row = {
        "DeviceVendor": "Cisco",
        "DeviceProduct": "ASA",
        "DeviceEventClassID": "302014",
        "Reason": "SYN Timeout",
    }

    assert outcome(row) == UNANSWERED
    assert outcome({**row, "Reason": "TCP FINs"}) == ACCEPTED


def test_another_vendors_words_do_not_count() -> None:
    row = {"DeviceVendor": "Other", "DeviceProduct": "ASA", "DeviceEventClassID": "106023"}

    assert outcome(row) == UNKNOWN


def test_the_action_is_the_original_word() -> None:
    rows = pl.DataFrame(
        [
            {"DeviceVendor": "Fortinet", "DeviceAction": "Deny", "Activity": "traffic:forward deny"},
            {"DeviceVendor": "Fortinet", "DeviceAction": None, "Activity": "traffic:forward server-rst"},
            {"DeviceVendor": "Fortinet", "DeviceAction": "monitor", "Activity": "event:system"},
        ]
    ).with_columns(pl.lit(0).alias("received"))

    assert judged(rows)["action"].to_list() == ["Deny", "server-rst", "monitor"]
    assert judged(rows)["outcome"].to_list() == [DENIED, REFUSED, UNKNOWN]


def test_every_word_has_a_field_an_outcome_and_a_source() -> None:
    for word in words():
        assert word.field in FIELDS
        assert word.outcome in OUTCOMES
        assert word.source


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vendor,product\n", "its columns are not"),
        (HEAD + "A,*,Mood,deny,denied,,x\n", "no field 'Mood'"),
        (HEAD + "A,*,DeviceAction,deny,dropped,,x\n", "no outcome 'dropped'"),
        (HEAD + "A,*,DeviceAction,deny,denied,,\n", "names no source"),
        (HEAD + "A,*,DeviceAction,deny,denied,maybe,x\n", "`unless`"),
        (HEAD + "A,*,DeviceAction,deny,denied,,x\nA,*,DeviceAction,Deny,accepted,,x\n", "another outcome"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(VendorWordsError, match=complaint) as error:
        read_words(text, "actions.csv")

    assert error.value.path == "actions.csv"
    assert error.value.line == len(text.splitlines())
