"""What is said of log-ins that only the host's own records tell of (utmp): in one form, whatever told it."""

from __future__ import annotations

import polars as pl


def logged_in(user: pl.Expr, terminal: pl.Expr, source: pl.Expr) -> pl.Expr:
    """Write ``alice logged in on pts/0 from 192.0.2.7``; without a source where there is none."""
    return pl.concat_str(
        user.fill_null("somebody"),
        pl.lit(" logged in on "),
        terminal.fill_null("?"),
        pl.concat_str(pl.lit(" from "), source).fill_null(""),
    )


def refused(user: pl.Expr, terminal: pl.Expr, source: pl.Expr) -> pl.Expr:
    """Write ``alice failed to log in on ssh:notty from 192.0.2.7``."""
    return pl.concat_str(
        user.fill_null("somebody"),
        pl.lit(" failed to log in on "),
        terminal.fill_null("?"),
        pl.concat_str(pl.lit(" from "), source).fill_null(""),
    )
