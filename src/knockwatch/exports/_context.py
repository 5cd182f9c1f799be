"""What of a site's context a template leaves out, in words for whoever reads the rule; it fills nothing."""

from __future__ import annotations

from collections.abc import Collection

_ADDRESSES = {"networks", "expected_networks", "expected_texts"}


def with_context(lost: str, legs: Collection[str], *templates: str) -> str:
    """Add to what a rule loses what it leaves out of the site's context, as its templates show by what they ask for.

    Parameters
    ----------
    lost
        What else is lost.
    legs
        The legs that the rule joins: only an entry goes through an authorised door, and scanners explain only signals.
    templates
        The rule's own template, and those of rules that it correlates.
    """
    asked = {name for template in templates for name in _asked(template)}
    absent = {
        "addresses of administrators and developers": not asked & _ADDRESSES,
        "scanners, monitors and load balancers": "networks" not in asked and set(legs) == {"signal"},
        "names of hosts and users": "names" not in asked,
        "authorised doors": "doors" not in asked and "entry" in legs,
    }
    left = [what for what, holds in absent.items() if holds]
    return f"{lost}; of the context it leaves out: {', '.join(left)}" if left else lost


def _asked(template: str) -> set[str]:
    """Name what a template asks for."""
    from jinja2 import Environment, nodes

    # It is only read here, not rendered.
    return {name.name for name in Environment(autoescape=True).parse(template).find_all(nodes.Name)}
