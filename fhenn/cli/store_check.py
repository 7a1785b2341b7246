"""What `fhenn doctor` says of a service's store; nothing in it is changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from fhenn.cli.checks import Check
from fhenn.cli.show import count_of, megabytes
from fhenn.errors import FhennError, ServiceRefused, StoreDamaged, StoreUnsafe
from fhenn.service.folder import NAME_ANOTHER, foreign_in, require_unexchanged
from fhenn.service.lock import holder_of
from fhenn.service.model_store import ModelStore
from fhenn.service.tokens import HOW_TO_MEND, Tokens
from fhenn.text import first_line

_LITTLE, _TOO_LITTLE = 2e9, 2e8
"""Free bytes: keys of one owner may take 2 GB; a store that is full takes no upload."""


def check_store(store: Path, named: bool) -> Iterator[Check]:
    """Whether a store is safe, held, and has room, and what is in it.

    store: its folder.
    named: whether it was asked for, by an option or a variable; else it may well be missing.
    """
    try:
        if not store.exists():
            way_out = "Mend --store or FHENN_STORE, or make it: `fhenn model add` and `fhenn serve` do."
            missing = Check("store", "fault", f"there is no {store}", way_out)
            yield missing if named else Check("store", "ok", "none here")
        elif foreign := foreign_in(store):
            yield Check("store", "fault" if named else "note", f"{store}: {foreign}", NAME_ANOTHER)
        elif not any((store / name).exists() for name in ("models", "tokens", "lock")):
            yield Check("store", "note", f"{store} is empty: no store yet", "Let `fhenn model add` make it.")
        else:
            yield from _existing(store)
    except OSError as error:
        yield Check("store", "fault", f"{error.filename or store}: {error.strerror or error}", "Run as its owner.")


def _models(models: ModelStore) -> tuple[tuple[str, ...], list[Check]]:
    """The names of the models that can be served, and a fault for each other one. Raises OSError."""
    faults = [(name, _fault(name, error)) for name, error in models.faults()]
    broken = {name for name, _ in faults}
    return tuple(name for name in models.names() if name not in broken), [check for _, check in faults]


def _fault(name: str, error: FhennError | OSError) -> Check:
    """What is to be said of a model that `fhenn serve` refuses for an error."""
    if isinstance(error, StoreDamaged):
        return Check("store", "fault", f"model {name}: {error.path} is damaged: {error.reason}", error.suggestion)
    said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else first_line(error).rstrip(".")
    way_out = f"Run fhenn model remove {name}, and add it again with `fhenn model add`."
    return Check("store", "fault", f"model {name}: {said}", way_out)


def _existing(store: Path) -> Iterator[Check]:
    """The same of one that is there. Raises OSError."""
    try:
        require_unexchanged(store)
    except (StoreUnsafe, ServiceRefused) as error:
        yield Check("store", "fault", f"{store}: {error.reason}", error.suggestion)
        return
    holder = holder_of(store / "lock")
    yield Check("store", "ok", f"{store}, {f'served by {holder}' if holder else 'no service runs on it'}")
    mode = store.stat().st_mode & 0o777
    if mode & 0o077:
        way_out = f"Run chmod 700 {store}; `fhenn serve` does so when it starts."
        yield Check("store", "note", f"its mode is {mode:04o}, which lets others look into it", way_out)
    models, damaged = _models(ModelStore(store / "models")) if (store / "models").is_dir() else ((), [])
    yield from damaged
    tokens = Tokens(store / "tokens")
    for path in tokens.damaged():
        yield Check("store", "fault", f"{path} is damaged: it is no token", HOW_TO_MEND)
    known = tokens.all() if (store / "tokens").is_dir() else []
    expired = sum(map(tokens.has_expired, known))
    says = f"{count_of(len(models), 'model')}, {count_of(len(known), 'token')}"
    if not models and not damaged:
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
