"""What a command says beside its data: sentences on standard error, and silence when the reader has left."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from knockwatch.reports.escape import visible


def say(sentence: str) -> None:
    """Say something beside the data."""
    click.echo(visible(sentence), err=True)


def fail(sentence: str) -> None:
    """Say what went wrong."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {visible(sentence)}", err=True)


def hang_up() -> None:
    """Send what is left to nowhere: the reader of standard output has left, which is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def output() -> Iterator[None]:
    """Write data; a reader that leaves early, as `head` does, ends the writing and nothing else."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up()
