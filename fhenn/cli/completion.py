"""`fhenn completion`: the shell's help with commands, options, files, columns and names."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from fhenn.cli.show import say

_INSTALL = {
    "bash": "fhenn completion bash >> ~/.bashrc",
    "zsh": "fhenn completion zsh >> ~/.zshrc",
    "fish": "fhenn completion fish > ~/.config/fish/completions/fhenn.fish",
    "powershell": "fhenn completion powershell >> $PROFILE",
}
"""What installs the script of each shell."""

_SHELLS = tuple(shell for shell in _INSTALL if get_completion_class(shell))
"""Those that the installed click knows."""


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Complete commands in SHELL with the tab key.

    Prints the script for bash, zsh, fish or PowerShell; without SHELL, the line that installs it. Commands and options
    are completed, and what they take: files by what they are, columns of a table, models and tokens in a store.

    \b
      fhenn completion
      fhenn completion bash >> ~/.bashrc
    """
    if shell is None:
        yours = Path(os.environ.get("SHELL", "")).name
        for each in sorted(_SHELLS, key=lambda each: each != yours):
            say(f"{each:<10} {_INSTALL[each]}" + ("    this shell" if each == yours else ""))
        say("It works in shells that are opened after that.")
        return
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"the installed version of click cannot complete commands in {shell}.")
    say(kind(context.find_root().command, {}, "fhenn", "_FHENN_COMPLETE").source())
