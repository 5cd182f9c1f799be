"""Which name belongs to which address, as `[hosts]` says; nothing is learned from evidence here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address


class Hosts:
    """Names and addresses of hosts, each found by the other.

    Parameters
    ----------
    named
        Host name to its addresses; names are compared regardless of case.
    """

    def __init__(self, named: Mapping[str, Sequence[str]]) -> None:
        self._addresses = {
            name.lower(): tuple(str(ip_address(address)) for address in addresses)
            for name, addresses in named.items()
        }
        self._names = {address: name for name in named for address in self._addresses[name.lower()]}

    def addresses(self, name: str | None) -> tuple[str, ...]:
        """Give the addresses of a host, none where the site does not say."""
        return self._addresses.get(name.lower(), ()) if name else ()

    def name(self, address: str | None) -> str | None:
        """Give the name of the host that has an address."""
        return self._names.get(address) if address else None

    def joined(self, host: str | None, destination: str | None) -> tuple[str | None, str | None]:
        """Complete what evidence says of a host: its name from its address, or its first address from its name."""
        addresses = self.addresses(host)
        return host or self.name(destination), destination or (addresses[0] if addresses else None)

    def place(self, host: str | None, destination: str | None) -> str:
        """Name a host in one word that is the same however the evidence names it; empty where it does not."""
        host, destination = self.joined(host, destination)
        return host.lower() if host else destination or ""


def host_names(host: str | None, address: str | None, hosts: Hosts) -> tuple[str, ...]:
    """Give every name that a site may know a host by: its address, its name with and without the domain."""
    names = [name for name in (host, hosts.name(address)) if name]
    # An entry without a domain means that host in any domain; an address has none to leave off.
    short = [name.partition(".")[0] for name in names if not _is_address(name)]
    return tuple(dict.fromkeys(name for name in (address, *names, *short) if name))


def _is_address(name: str) -> bool:
    """Tell whether a host's name is only its address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def user_names(user: str | None) -> tuple[str, ...]:
    r"""Give every name that a site may know a user by: `CORP\alice` and `alice@corp` are alice too."""
    if not user:
        return ()
    return tuple(dict.fromkeys((user, user.rpartition("\\")[2].partition("@")[0])))
