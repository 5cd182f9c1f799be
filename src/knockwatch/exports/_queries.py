"""Queries of a product: our Sigma rules converted by pySigma, and our own text where that is refused or wrong.

A file `content/siem/queries/PRODUCT.toml` holds our own: of each `query` its name, form, `rules` it stands for, `legs`
it joins, what is `lost`, its `text` (a template, see `_site_values`), and where it differs from the product's its
`suffix` and its `proof`. `fields.toml` names Sigma's fields in each product. A query of the same name replaces the
conversion.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from knockwatch.config import Config
from knockwatch.exports import Exported
from knockwatch.exports._context import with_context
from knockwatch.exports._sigma_rules import library, sigma_files, with_needs
from knockwatch.exports._site_values import filled

if TYPE_CHECKING:
    from sigma.conversion.base import Backend

UNPROVEN = "neither executed nor parsed by the vendor's parser"
_SOURCE = "the Sigma rule it was converted from was"


@dataclass(frozen=True)
class Product:
    """How a product's queries are written.

    Parameters
    ----------
    name
        Its file in `content/siem/queries`.
    fields
        Its table in `fields.toml`.
    suffix, comment
        Ending of the files, and what begins and ends a comment.
    form
        What a converted rule is there.
    backend
        Module and class of pySigma's back end.
    own
        Sigma files that our own text replaces, or that it cannot say.
    proof
        What was done with what pySigma wrote.
    """

    name: str
    fields: str
    suffix: str
    comment: tuple[str, str]
    form: str
    backend: tuple[str, str]
    own: Collection[str]
    proof: str = UNPROVEN


@dataclass(frozen=True)
class Query:
    """One query, and what is to be said of it; the words are those of `Exported`."""

    name: str
    suffix: str
    form: str
    made: Literal["template", "converted"]
    rules: tuple[str, ...]
    legs: tuple[str, ...]
    lost: str
    proof: str
    text: str


def write_queries(product: Product, folder: Path, config: Config) -> Sequence[Exported]:
    """Write all queries of a product, each under a header that says what it keeps, what it loses, and its proof."""
    exported: list[Exported] = []
    for query in (*_converted(product, config), *_own(product, config)):
        path = folder / f"{query.name}{query.suffix}"
        path.write_text(header(query, product.comment) + query.text, "utf-8")
        exported += told(query, path)
    return exported


def told(query: Query, *paths: Path) -> Iterator[Exported]:
    """Tell of a query once for each detection that it stands for."""
    for rule in query.rules:
        yield Exported(
            rule, query.name, query.form, query.made, query.legs, query.lost, query.proof, tuple(paths)
        )


def header(query: Query, comment: tuple[str, str]) -> str:
    """Write what a file's reader must know, as a comment."""
    begin, end = comment
    made = "converted by pySigma" if query.made == "converted" else "written by hand"
    lines = (
        f"knockwatch: {query.name} ({', '.join(query.rules)}), {made}",
        f"Legs: {', '.join(query.legs) or 'none'}",
        f"Lost: {query.lost}",
        f"Proof: {query.proof}",
    )
    return "".join(f"{begin} {line}{end}\n" for line in lines)


def _converted(product: Product, config: Config) -> Iterator[Query]:
    """Convert the Sigma files that the product's back end says rightly."""
    collections: Any = library("sigma.collection")
    rules = sigma_files(config)
    for name in sorted(rules.keys() - set(product.own)):
        rule = rules[name]
        # A back end keeps what it read: each file gets a fresh one.
        queries: list[Any] = _backend(product).convert(
            collections.SigmaCollection.from_yaml(with_needs(rules, name))
        )
        yield Query(
            name,
            product.suffix,
            product.form,
            "converted",
            rule.rules,
            rule.legs,
            rule.lost,
            f"{product.proof}; {_SOURCE} {rule.proof}",
            "\n\n".join(str(query).strip() for query in queries) + "\n",
        )


def _own(product: Product, config: Config) -> Iterator[Query]:
    """Fill our own queries of the product."""
    text = (files("knockwatch.content") / "siem" / "queries" / f"{product.name}.toml").read_text("utf-8")
    for entry in tomllib.loads(text)["query"]:
        yield Query(
            entry["name"],
            entry.get("suffix", product.suffix),
            entry["form"],
            "template",
            tuple(entry["rules"]),
            tuple(entry["legs"]),
            with_context(filled(entry["lost"], config), entry["legs"], entry["text"]),
            entry.get("proof", UNPROVEN),
            filled(entry["text"], config).lstrip("\n"),
        )


def _backend(product: Product) -> Backend:
    """Make pySigma's back end with the product's names of fields.

    Raises
    ------
    MissingLibraryError
        If pySigma or the back end is not installed.
    """
    module, name = product.backend
    backend: type[Backend] = getattr(library(module), name)
    pipelines: Any = library("sigma.processing.pipeline")
    transformations: Any = library("sigma.processing.transformations")
    table = tomllib.loads((files("knockwatch.content") / "siem" / "fields.toml").read_text("utf-8"))
    names = transformations.FieldMappingTransformation(table[product.fields])
    items = [pipelines.ProcessingItem(names)]
    return backend(pipelines.ProcessingPipeline(name=product.name, items=items))
