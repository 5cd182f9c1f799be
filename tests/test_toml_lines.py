import tomllib

import tomlkit
from hypothesis import given, reject
from hypothesis import strategies as st

from knockwatch.toml_lines import Origin, Path, lines_of


def test_items_of_a_list_have_their_own_lines() -> None:
    found = lines_of('[context]\nscanners = ["a",\n  # "b",\n  "c", "d"\n]\n')
    assert found["context", "scanners"] == 2
    assert [found["context", "scanners", index] for index in range(3)] == [2, 4, 4]


def test_doors_are_counted_under_their_headers() -> None:
    found = lines_of('[[context.doors]]\nhost = "a"\n\n[[context.doors]]\nhost = "b"\n')
    assert found["context", "doors", 0] == 1
    assert found["context", "doors", 1] == 4
    assert found["context", "doors", 1, "host"] == 5


def test_doors_are_counted_as_inline_tables() -> None:
    found = lines_of('[context]\ndoors = [\n  { host = "a", port = "tcp/1" },\n  { host = "b" },\n]\n')
    assert found["context", "doors", 0, "port"] == 3
    assert found["context", "doors", 1, "host"] == 4


def test_a_table_below_an_array_belongs_to_its_last_element() -> None:
    found = lines_of("[[a]]\n[a.b]\nx = 1\n[[a]]\n[a.b]\nx = 2\n")
    assert found["a", 0, "b", "x"] == 3
    assert found["a", 1, "b", "x"] == 6


def test_dotted_and_quoted_keys_are_keys() -> None:
    found = lines_of("context.\"scanners\" = ['a']\n[hosts]\n\"srv 1\".'x' = 3 # y = 4\n")
    assert found["context", "scanners", 0] == 1
    assert found["hosts", "srv 1", "x"] == 3
    assert ("hosts", "y") not in found


def test_brackets_and_marks_inside_strings_are_text() -> None:
    text = 'a = "[x] # \\" = ]"\nb = """\n[no]\nc = 1\n"""\nd = \'\'\'\n]\'\'\'\ne = 1.5\n'
    assert lines_of(text) == {("a",): 1, ("b",): 2, ("d",): 6, ("e",): 8}


def test_windows_line_ends_count_once() -> None:
    assert lines_of("a = 1\r\nb = 2\r\n")["b",] == 2


def test_what_has_no_line_takes_that_of_what_holds_it() -> None:
    origin = Origin("x.toml", lines_of("[context]\nscanners = []\n"))
    assert origin.line(("context", "scanners", 3)) == 2
    assert origin.line(("elsewhere",)) is None


SCALARS = st.one_of(
    st.integers(-(2**40), 2**40), st.booleans(), st.text(st.characters(exclude_categories=["Cs"])), st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.\"' #[", min_size=1), inner, max_size=3)
    ),
)


def paths(value: object, path: Path = ()) -> set[Path]:
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return ({path} if path else set()).union(*(paths(item, (*path, key)) for key, item in inside))


@given(st.dictionaries(st.text("abc.\"'= ", min_size=1), VALUES, max_size=4))
def test_every_path_of_any_document_has_a_line(document: dict[str, object]) -> None:
    text = tomlkit.dumps(document)
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        reject()  # the writer wrote what is no TOML
    found = lines_of(text)
    assert set(found) == paths(read)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
