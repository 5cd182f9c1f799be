"""The command `knockwatch`: its group, loaded lazily, and what becomes of errors; each command is in `commands`."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from knockwatch.commands.console import fail, hang_up
from knockwatch.commands.options import HELP_NAMES, examples
from knockwatch.errors import KnockwatchError

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Find": ("scan", "hunt", "host", "explain", "report", "tables"),
    "Know": ("rules", "sources", "config", "tune", "cache"),
    "Check": ("evaluate", "lab", "emulate"),
    "Shell": ("completion",),
}
"""Command names by the heading that `--help` gives them; each is `command` in the module of that name."""

INTERRUPTED = 130
TERMINATED = 143
"""What shells report of a program that ended on SIGINT and on SIGTERM."""


class LazyGroup(click.Group):
    """A group that loads a command when it is asked for, and turns errors into one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order of `COMMANDS`."""
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"knockwatch.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands below their headings."""
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in COMMANDS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (f"{name:<{width}}", command.get_short_help_str(80))
                        for name, command in commands
                        if command
                    ]
                )

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a user can mend is one sentence and status 2, what a user did is quiet."""
        try:
            return super().invoke(ctx)
        except KnockwatchError as error:
            fail(str(error))
            ctx.exit(error.exit_status)
        except BrokenPipeError:
            hang_up()
        except OSError as error:
            fail(f"{error.filename or 'input or output'}: {error.strerror or error}")
            ctx.exit(KnockwatchError.exit_status)
        except KeyboardInterrupt:
            fail("interrupted")
            ctx.exit(INTERRUPTED)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": HELP_NAMES},
    epilog=examples(
        "knockwatch scan /var/log",
        "knockwatch scan --format jsonl evidence/ | jq .door",
        "knockwatch COMMAND --help",
    ),
)
@click.version_option(package_name="knockwatch", prog_name="knockwatch", message="%(prog)s %(version)s")
def cli() -> None:
    """Find port knocking (MITRE ATT&CK T1205.001) in logs and telemetry.

    knockwatch names the hidden door, the sequence that opens it, who used it and what they did next.

    Exit status: 0 it ran, whatever it found; 2 bad usage, a bad configuration or unreadable evidence; 3 `scan
    --fail-on` found what it was told to.
    """


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its code, not an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Ending by an exception removes the temporary tables, which the default action would leave behind.
    signal.signal(signal.SIGTERM, _terminated)
    cli(prog_name="knockwatch")


def _terminated(number: int, frame: object) -> NoReturn:  # noqa: ARG001
    """End as a terminated program does."""
    raise SystemExit(TERMINATED)
