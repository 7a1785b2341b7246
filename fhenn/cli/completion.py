"""`fhenn completion`: the shell's help with options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from fhenn.cli.show import say


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in SHELL.

    \b
      fhenn completion bash >> ~/.bashrc
      fhenn completion zsh >> ~/.zshrc
      fhenn completion fish > ~/.config/fish/completions/fhenn.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"the installed version of click cannot complete commands in {shell}.")
    say(kind(context.find_root().command, {}, "fhenn", "_FHENN_COMPLETE").source())
