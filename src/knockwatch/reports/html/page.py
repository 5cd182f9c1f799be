"""The page of an HTML report: its parts put into one file, under a policy that lets only those parts run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "vendor/d3.min.js",
    "assets/elements.js",
    "assets/words.js",
    "assets/chart.js",
    "assets/timeline.js",
    "assets/map.js",
    "assets/lists.js",
    "assets/guidance.js",
    "assets/case.js",
    "assets/overview.js",
    "assets/routes.js",
)
"""In the order in which they run; each is an inline script of its own, known to the policy by its hash."""
STYLES = ("assets/style.css",)
TEMPLATE = "assets/report.html.j2"

_ESCAPES = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def page(data: Mapping[str, Any]) -> str:
    """Render the page around its data.

    Parameters
    ----------
    data
        As `island` gives it.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_part(TEMPLATE))
    scripts = [_part(name) for name in SCRIPTS]
    styles = [_part(name) for name in STYLES]
    # Parts of the package are no evidence, and `data_text` leaves nothing that HTML could take for markup.
    return template.render(
        policy=policy(scripts, styles),
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        styles=[Markup(style) for style in styles],  # noqa: S704
        data=Markup(data_text(data)),  # noqa: S704
        cases=data["cases"],
        texts=data["texts"],
        licence=_part("vendor/d3.LICENSE"),
    )


def data_text(data: Mapping[str, Any]) -> str:
    """Write JSON that can stand in a script element: no character of it begins or ends markup."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def policy(scripts: list[str], styles: list[str]) -> str:
    """Write the Content-Security-Policy: nothing but these scripts and styles, no network, no markup from text."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    """Give the source expression of an inline part (Content Security Policy Level 3, section 2.3.1)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _part(name: str) -> str:
    """Read a part of the page from the package, with the line breaks that a browser hashes."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
