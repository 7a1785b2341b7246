"""Commands that are imported when they are first asked for: neither a shell's completion nor `fhenn` waits for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

import click
from click.shell_completion import CompletionItem


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by their names, in their order; each is imported when it is first looked up.

    homes: "module:variable" of each, by its name.

    >>> list(LazyCommands({"info": "fhenn.cli.info:info"}))
    ['info']
    """

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._known: dict[str, str | click.Command] = dict(homes)

    def __getitem__(self, name: str) -> click.Command:
        """The command of that name. Raises KeyError."""
        found = self._known[name]
        if isinstance(found, str):
            module, _, variable = found.partition(":")
            found = getattr(import_module(module), variable)
            if not isinstance(found, click.Command):
                raise TypeError(f"{module}:{variable} is no command")
            self._known[name] = found
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class InOrder(click.Group):
    """Commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, as they were added."""
        return list(self.commands)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What can stand here. Names come without their help: for that, all would be imported while somebody types."""
        names = [CompletionItem(name) for name in self.commands if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]
