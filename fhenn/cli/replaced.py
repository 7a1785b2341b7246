"""What belongs to a plan that another one replaces: keys, uploads and answers that then go with nothing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from fhenn import artifacts
from fhenn.cli.folder import Found, look
from fhenn.cli.show import warn
from fhenn.errors import join_first
from fhenn.wire import read_header

_KEYS = ("secret-key", "evaluation-context")
_NAMES_PLAN = {"ciphertexts": ("upload", "plan"), "answer": ("binding", "plan")}
"""Where the header of a kind names its plan."""


def write_plan(path: Path, message: bytes) -> tuple[str, ...]:
    """Write a plan, and say in a warning which files beside it belong to the one that it replaces.

    path: of the plan.
    message: the plan, as `fhenn.artifacts.plan_to_bytes` makes it.

    Returns the names of these files.
    Raises what `fhenn.artifacts.write` does.
    """
    left = _left_alone(path, Found(path.name, "plan", read_header(BytesIO(message))[0].meta))
    artifacts.write(path, message)
    if left:
        keys = any(each.kind in _KEYS for each in left)
        again = "make keys again with `fhenn keygen`, by --overwrite or by other names, and " if keys else ""
        names = tuple(each.name for each in left)
        warn(
            f"{path} was another plan, for which {join_first(names)} {'was' if len(names) == 1 else 'were'} made: "
            f"{again}encrypt again. The same command as before brings the old plan back."
        )
    return tuple(each.name for each in left)


def _left_alone(path: Path, new: Found) -> tuple[Found, ...]:
    """The files beside a plan that belong to it, and will not belong to the new one; keys first."""
    folder = look(path.parent)
    old = folder.named(path.name)
    if old is None or old.kind != "plan" or old.said("fingerprint") in ("", new.said("fingerprint")):
        return ()
    parameters = old.said("parameters")
    keys = [
        each
        for kind in _KEYS
        for each in folder.of_kind(kind)
        if parameters and each.said("parameters") == parameters != new.said("parameters")
    ]
    others = [
        each
        for kind, place in _NAMES_PLAN.items()
        for each in folder.of_kind(kind)
        if each.said(*place) == old.said("fingerprint")
    ]
    return (*keys, *others)
