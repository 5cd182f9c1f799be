"""Successful log-ins in the lines of SSH daemons: which lines tell of one, of whom and from where; nothing is judged.

Lines are those of OpenSSH (auth.c, `auth_log`) and of dropbear (svr-authpasswd.c, svr-authpam.c, svr-authpubkey.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOGGED_IN = "SuccessfulLogIn"
"""Label of the findings that tell of log-ins."""

PROGRAMS = ("sshd", "sshd-session", "dropbear")
SUCCEEDED = r"^(?:Accepted \S+ for|(?:PAM )?[Pp]assword auth succeeded|Pubkey auth succeeded)"
FROM_WHOM = r"from \[?([0-9A-Fa-f.:]+)\]?(?: port |:)(\d+)"
"""The source's address and port."""
AS_WHOM = r" for '?([^' ]+)'? (?:from|with) "
"""The account."""


def log_ins(messages: ir.Table) -> ir.Table:
    """Select the lines that tell of a successful log-in."""
    program: Any = messages.program
    message: Any = messages.message
    return messages.filter(program.isin(PROGRAMS), message.re_search(SUCCEEDED))
