"""The commented `knockwatch.toml`: every key with its meaning and default, written from the models of `config`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

WIDTH = 100

_PREFACE = """\
knockwatch.toml: what the site knows, and what the detections measure with.

Every key is here with its default. To change one, remove the "#" before it; a line that begins with "#:" is an
example. `knockwatch config check` says whether the file is valid.\
"""


def render(model: type[BaseModel]) -> str:
    """Write the template of a configuration.

    Parameters
    ----------
    model
        The whole configuration; its fields are sections or tables.

    Returns
    -------
    str
        TOML that loads as the defaults, as it stands and with the "#" of every key removed.
    """
    lines = list(_prose(_PREFACE))
    for name, field in model.model_fields.items():
        lines += ["", f"[{name}]"]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            lines += _prose(field.annotation.__doc__ or "")
            for key, setting in field.annotation.model_fields.items():
                lines += ["", *_key(name, key, setting)]
        else:
            lines += _prose(field.description or "")
            lines += [f"#: {line}" for example in field.examples or () for line in _table(name, example)]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> Iterator[str]:
    """Write sentences as comments, paragraph by paragraph."""
    for paragraph in text.strip().split("\n\n"):
        yield from (f"# {line}" for line in textwrap.wrap(" ".join(paragraph.split()), WIDTH))


def _key(section: str, key: str, field: FieldInfo) -> Iterator[str]:
    """Write a key: its meaning, an example, its default."""
    yield from _prose(field.description or "")
    default = field.get_default(call_default_factory=True)
    for example in field.examples or ():
        if isinstance(example, BaseModel):
            yield f"#: [[{section}.{key}]]"
            for name, value in example.model_dump().items():
                yield f"#: {name} = {_toml(value)}  # {type(example).model_fields[name].description}"
            # A list of tables has no default line: TOML forbids both forms of one key in a file.
            return
        yield f"#: {key} = {_toml(example)}"
    if default is not None:
        yield f"#{key} = {_toml(default)}"


def _table(name: str, entries: dict[str, Any]) -> Iterator[str]:
    """Write the entries of a table whose keys are the site's."""
    for key, value in entries.items():
        if isinstance(value, dict):
            yield f"[{name}.{key}]"
            yield from _table(f"{name}.{key}", value)
        else:
            yield f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """Write a value in TOML."""
    import tomlkit

    if isinstance(value, dict):
        pairs = ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
