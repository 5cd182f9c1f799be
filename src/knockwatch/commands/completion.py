"""`knockwatch completion`: the script that completes commands and options in a shell."""

from __future__ import annotations

import click

from knockwatch.commands.options import examples

VARIABLE = "_KNOCKWATCH_COMPLETE"
"""The variable by which a shell asks the program for completions; click derives it from the program's name."""


@click.command(
    epilog=examples(
        "echo 'eval \"$(knockwatch completion bash)\"' >> ~/.bashrc",
        "echo 'eval \"$(knockwatch completion zsh)\"' >> ~/.zshrc",
        "knockwatch completion fish > ~/.config/fish/completions/knockwatch.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(script(context.find_root().command, {}, "knockwatch", VARIABLE).source())
