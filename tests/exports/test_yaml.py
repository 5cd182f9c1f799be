"""Our YAML, read back by a reader that is not ours."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from knockwatch.exports._yaml import yaml_text

LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | LINE
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LINE, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(LINE, VALUES, max_size=5))
def test_what_is_written_reads_back(document: dict[str, object]) -> None:
    assert (yaml.safe_load(yaml_text(document)) or {}) == document  # type: ignore[arg-type]


def test_text_of_several_lines_is_a_block() -> None:
    text = 'let a = 1;\n\nSyslog\n    | where b == "c"\n'
    written = yaml_text({"query": text, "after": "yes"})
    assert "query: |\n  let a = 1;\n\n  Syslog\n" in written
    assert yaml.safe_load(written) == {"query": text, "after": "yes"}


def test_words_that_mean_something_are_quoted() -> None:
    words = ["yes", "Null", "on", "1.0", "a: b", "- x", "#no", "2026-11-22", "0x1", "[a", "x #y", "~"]
    assert yaml.safe_load(yaml_text({"words": words})) == {"words": words}
