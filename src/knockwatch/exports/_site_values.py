"""Templates of rules and queries, filled with a site's thresholds and context, and with our data files' words.

It knows the words of `content/`, nothing of any product.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from knockwatch.config import Config
from knockwatch.detections._daemon_phrases import phrases
from knockwatch.hunting.site import authorised_doors, context_entries, vendor_words

_EXPECTED = "administrators+developers"
_SCANNING = "scanners+monitors+load_balancers"
_ALTERNATIVE = re.compile(r"\|(?![^(]*\))")
"""A bar outside of parentheses: the tables' expressions nest no deeper."""
_PLAIN = re.compile(r"[\w.-]+?(?=[\w.-]?\?|\\|\(|\[|$)")
_LEAST_PREFIX = 3
"""Characters of a name that may stand for all that begins with it."""


def filled(text: str, config: Config, **more: str) -> str:
    """Fill a template (Jinja, no HTML) with a site's values, and more that it asks for.

    Raises
    ------
    jinja2.UndefinedError
        If the template asks for what there is not.
    """
    from jinja2 import Environment, StrictUndefined

    # What is written is no HTML: each template escapes by its own language's filter.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.filters.update(json=_json, seconds=_seconds, quoted=quoted)
    return environment.from_string(text).render({**_values(config), **more})


def quoted(words: Iterable[str]) -> str:
    """Write strings in double quotes with commas between, as SPL, ES|QL, EQL and PPL take them."""
    return ", ".join(json.dumps(word, ensure_ascii=False) for word in words)


def _values(config: Config) -> Mapping[str, Any]:
    """Name what templates may ask for."""
    expected, names = context_entries(config, _EXPECTED)
    # Scanners and the like explain denials, never a door that opened: only lists of denials leave them out.
    scanning, _ = context_entries(config, _SCANNING)
    return {
        "thresholds": config.thresholds,
        "networks": sorted({str(network) for network in (*expected, *scanning)}),
        "expected_networks": sorted({str(network) for network in expected}),
        "expected_texts": sorted({f"{one.network_address}" for one in expected if one.num_addresses == 1}),
        "names": sorted(names),
        "doors": authorised_doors(config),
        "vendor_words": vendor_words,
        "id": identifier,
        "markers": lambda *meanings: _json(map(_sigma_escaped, markers(*meanings))),
        "plain_markers": markers,
        "callers": lambda *roles: _json(
            one for name in named("firewall_callers.csv", roles) for one in _endings(name)
        ),
        "known_sniffers": [
            name
            for name in named("sniffers.csv", ("service", "monitor", "capture"))
            if not name.endswith("*")
        ],
        "implant_files": traces("file"),
        "implant_locks": traces("file-empty"),
        "sniffers": lambda: _json(named("sniffers.csv", ("service", "monitor", "capture"))),
    }


def identifier(name: str) -> str:
    """Give the lasting id of one of our rules."""
    return str(uuid5(NAMESPACE_URL, f"knockwatch:{name}"))


@cache
def markers(*meanings: str) -> tuple[str, ...]:
    """Give the texts that knock daemons' lines of some meanings hold, and lines of no other meaning."""
    wanted = {phrase.marker for phrase in phrases() if phrase.meaning in meanings}
    others = {phrase.marker for phrase in phrases() if phrase.meaning not in meanings}
    return tuple(sorted(wanted - others))


@cache
def traces(what: str) -> tuple[str, ...]:
    """Give the values of one kind of trace that implants leave."""
    text = (files("knockwatch.content") / "implant_traces.csv").read_text("utf-8")
    return tuple(row["value"] for row in csv.DictReader(text.splitlines()) if row["what"] == what)


@cache
def named(table: str, roles: tuple[str, ...]) -> tuple[str, ...]:
    """Give the programs of some roles of a table of `content/`, a `*` where its expression allows more."""
    text = (files("knockwatch.content") / table).read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    found = (one for row in rows if row["role"] in roles for one in _ALTERNATIVE.split(row["program"]))
    return tuple(sorted({name for one in found if (name := _wildcard(one))}))


def _wildcard(expression: str) -> str | None:
    """Write the expression of a program's name with a `*`; None where too little of it is plain."""
    plain = _PLAIN.match(expression.replace("\\.", "."))
    if plain is None:
        return None
    name = plain[0]
    if name == expression:
        return name
    return f"{name}*" if len(name) >= _LEAST_PREFIX else None


def _endings(name: str) -> tuple[str, ...]:
    """Write a program's name as the end of a path, on Unix and on Windows."""
    return f"/{name}", f"\\{name}" if name.endswith("*") else f"\\{name}.exe"


def _sigma_escaped(text: str) -> str:
    """Escape what Sigma takes for wildcards."""
    return re.sub(r"([*?\\])", r"\\\1", text)


def _json(value: Any) -> str:
    """Write a value as JSON, which YAML reads too."""
    return json.dumps(value if isinstance(value, str) else list(value), ensure_ascii=False)


def _seconds(value: float) -> str:
    """Write a time as whole seconds, at least one."""
    return f"{max(1, round(value))}s"
