"""Facts of payloads, beside the plainest way to tell them."""

from __future__ import annotations

import math
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.sources._capture_files import MARGIN
from knockwatch.sources._payloads import Payloads

_PAYLOADS = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.text(string.hexdigits, max_size=80).map(str.encode),
        st.text(string.ascii_letters + "+/=", max_size=400).map(str.encode),
        st.text(string.printable[:95] + "\r\n\t", max_size=80).map(str.encode),
        st.integers(0, 70_000).map(bytes),
    ),
    max_size=12,
)


def payloads_of(texts: list[bytes], cut: int = 1 << 20) -> Payloads:
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    data = np.frombuffer(b"".join(texts) + bytes(MARGIN), dtype=np.uint8)
    return Payloads(data, np.cumsum(lengths) - lengths, np.minimum(lengths, cut), lengths)


def alphabet_of(text: bytes) -> str | None:
    letters = set(text)
    if not letters:
        return None
    alphabets = {
        "hex": string.hexdigits,
        "base64": string.ascii_letters + string.digits + "+/=",
        "printable": string.printable[:95] + "\r\n\t",
    }
    return next((name for name, known in alphabets.items() if letters <= set(known.encode())), "binary")


def entropy_of(text: bytes) -> float:
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


@given(_PAYLOADS, st.sampled_from([1 << 20, 64, 3]))
def test_facts_are_those_of_each_payload_alone(texts: list[bytes], cut: int) -> None:
    facts = payloads_of(texts, cut).facts(np.arange(len(texts)))

    for index, text in enumerate(texts):
        there = text[: min(cut, MARGIN - 256)]
        head, size = facts["payload_head"][index].tobytes(), int(facts["payload_head_length"][index])
        assert (facts["payload_length"][index], size) == (len(text), min(len(there), 32))
        assert head == there[:32].ljust(32, b"\0")
        assert facts["payload_entropy"][index] == pytest.approx(entropy_of(there), abs=1e-9)
        assert Payloads.ALPHABETS.get(int(facts["payload_alphabet"][index])) == alphabet_of(there)


def test_a_packet_without_payload_has_no_facts() -> None:
    facts = payloads_of([b"abc", b""]).facts(np.array([-1, 1, 0]))

    assert facts["payload_length"].tolist() == [0, 0, 3]
    assert facts["payload_head_length"].tolist() == [0, 0, 3]
    assert facts["payload_alphabet"].tolist() == [0, 0, 1]
