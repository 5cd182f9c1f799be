"""knockwatch finds port knocking (MITRE ATT&CK T1205.001) in what a defender already has."""

from importlib.metadata import version

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Read the version when asked for: importing package metadata is not free."""
    if name == "__version__":
        return version("knockwatch")
    raise AttributeError(name)
