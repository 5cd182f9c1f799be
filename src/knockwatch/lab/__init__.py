"""The lab: real doors, real knocks and what observers write of them, in network namespaces that lead nowhere.

Hosts, doors and scenarios are data in `content/lab`; the modules here put them up, play them, write down what is
true of them, and restore the machine. Nothing of this is imported by the detections.
"""

from __future__ import annotations

from knockwatch.errors import KnockwatchError


class LabError(KnockwatchError):
    """A lab that cannot be put up, played or taken down."""
