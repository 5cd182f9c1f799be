"""Addresses: valid, and in their shortest form (RFC 5952), so that one host has one spelling."""

from __future__ import annotations

from ipaddress import ip_address

import polars as pl

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"


def shortest(addresses: pl.Series) -> pl.Series:
    """Bring addresses to their shortest form.

    Parameters
    ----------
    addresses
        Text: IPv4, or IPv6 in any spelling; a mapped IPv4 address (``::ffff:192.0.2.1``) counts as IPv4.

    Returns
    -------
    polars.Series
        The addresses, null where a text is none.
    """
    plain = addresses.str.contains(IPV4).fill_null(value=False)
    if plain.all():
        return addresses
    others = addresses.filter(~plain).drop_nulls().unique()
    written = {text: _shortest(text) for text in others}
    return (
        pl.DataFrame({"a": addresses, "p": plain})
        .select(
            pl.when("p")
            .then("a")
            .otherwise(
                pl.col("a").replace_strict(
                    list(written), list(written.values()), default=None, return_dtype=pl.String
                )
                if written
                else None
            )
            .alias(addresses.name)
        )
        .to_series()
    )


def _shortest(text: str) -> str | None:
    """Spell one address, or None."""
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if address.version == 6 and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
