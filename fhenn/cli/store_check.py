"""What `fhenn doctor` says of a service's store; nothing in it is changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from fhenn.cli.checks import Check
from fhenn.cli.show import count_of, megabytes
from fhenn.errors import ServiceRefused, StoreUnsafe
from fhenn.service.folder import require_unexchanged
from fhenn.service.lock import holder_of
from fhenn.service.model_store import ModelStore
from fhenn.service.tokens import Tokens

_LITTLE, _TOO_LITTLE = 2e9, 2e8
"""Free bytes: keys of one owner may take 2 GB; a store that is full takes no upload."""


def check_store(store: Path, named: bool) -> Iterator[Check]:
    """Whether a store is safe, held, and has room, and what is in it.

    store: its folder.
    named: whether it was asked for, by an option or a variable; else it may well be missing.
    """
    try:
        if not store.exists():
            makers = "`fhenn serve` and `fhenn model add` make one"
            yield (
                Check("store", "note", f"there is no {store}; {makers}") if named else Check("store", "ok", "none here")
            )
        elif not any((store / name).exists() for name in ("models", "tokens", "lock")):
            way_out = "Name another with --store, or let `fhenn serve` make it."
            yield Check("store", "note", f"{store} is no store of a service", way_out)
        else:
            yield from _existing(store)
    except OSError as error:
        yield Check("store", "fault", f"{error.filename or store}: {error.strerror or error}", "Run as its owner.")


def _existing(store: Path) -> Iterator[Check]:
    """The same of one that is there. Raises OSError."""
    try:
        require_unexchanged(store)
    except (StoreUnsafe, ServiceRefused) as error:
        yield Check("store", "fault", f"{store}: {error.reason}", error.suggestion)
        return
    holder = holder_of(store / "lock")
    yield Check("store", "ok", f"{store}, {f'served by {holder}' if holder else 'no service runs on it'}")
    models = ModelStore(store / "models").outline() if (store / "models").is_dir() else ()
    tokens = Tokens(store / "tokens")
    known = tokens.all() if (store / "tokens").is_dir() else []
    expired = sum(map(tokens.has_expired, known))
    says = f"{count_of(len(models), 'model')}, {count_of(len(known), 'token')}"
    if not models:
        yield Check("store", "note", says, "Add a model: fhenn model add NAME model.fhenn plan.fhenn")
    elif len(known) == expired:
        yield Check("store", "note", f"{says}, none that is valid", "Make one: fhenn token create OWNER")
    else:
        yield Check("store", "ok", says + (f", {expired} of them expired" if expired else ""))
    free = shutil.disk_usage(store).free
    if free < _LITTLE:
        way_out = "Make room, or bound what owners keep: fhenn serve --owner-mb."
        yield Check("store", "fault" if free < _TOO_LITTLE else "note", f"{megabytes(free)} free for it", way_out)
    else:
        yield Check("store", "ok", f"{megabytes(free)} free for it")
