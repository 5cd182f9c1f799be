"""Markdown as the tree that the page makes elements of: names of elements and text, nothing that a browser parses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

Node = str | list["Node"]
"""Text, or an element: the name of its tag, for ``a`` its address, for ``pre`` its language, and what is in it."""

_TAGS = {
    "bullet_list": "ul",
    "em": "em",
    "list_item": "li",
    "ordered_list": "ol",
    "paragraph": "p",
    "strong": "strong",
    "table": "table",
    "tbody": "tbody",
    "td": "td",
    "th": "th",
    "thead": "thead",
    "tr": "tr",
}


def tree(markdown: str) -> list[Node]:
    """Read Markdown (CommonMark with tables, without HTML) as a list of the page's elements.

    Raises
    ------
    ValueError
        If it holds something that the page does not show, as an image.
    """
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return _nodes(SyntaxTreeNode(reader.parse(markdown)).children)


def _nodes(nodes: Iterable[SyntaxTreeNode]) -> list[Node]:
    """Write nodes, text that touches as one."""
    written: list[Node] = []
    for node in nodes:
        for one in _node(node):
            if isinstance(one, str) and written and isinstance(written[-1], str):
                written[-1] += one
            else:
                written.append(one)
    return written


def _node(node: SyntaxTreeNode) -> list[Node]:
    """Write one node; what only groups others is not there."""
    inside = _nodes(node.children)
    element: list[Node]
    match node.type:
        case "text":
            return [node.content]
        case "softbreak":
            return [" "]
        case "inline":
            return inside
        case "paragraph" if node.hidden:  # in a list without blank lines
            return inside
        case "heading":
            element = [node.tag, *inside]
        case "link":
            element = ["a", str(node.attrs["href"]), *inside]
        case "code_inline":
            element = ["code", node.content]
        case "fence":
            element = ["pre", node.info, node.content]
        case kind if kind in _TAGS:
            element = [_TAGS[kind], *inside]
        case kind:
            raise ValueError(f"the page has no element for {kind} of Markdown")
    return [element]
