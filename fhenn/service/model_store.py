"""The models of a store: versions that never change, and for each name the one that is current.

    NAME/VERSION/model.fhenn, plan.fhenn     VERSION is `Plan.fingerprint`, which covers the model's
    NAME/current                             the VERSION for whoever asks for none

A version gets its name when it is complete and on the disk, and becomes the current one by one rename: a reader finds,
at any moment, the models of before or those of after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fhenn.artifacts import model_from_bytes, plan_from_bytes, plan_to_bytes, reading_from_bytes
from fhenn.artifacts.files import make_folder, remove, remove_folder, sweep, write, write_folder
from fhenn.errors import FhennError, ParameterError, StoreDamaged, WireFormatError
from fhenn.interop import Reading
from fhenn.planner import Plan, fingerprint_of, verify
from fhenn.service.folder import require_private, require_private_inside
from fhenn.service.lock import Lock
from fhenn.service.version import is_version

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_MODEL, _PLAN, _CURRENT = "model.fhenn", "plan.fhenn", "current"
_WAIT = 10.0
"""Seconds to wait for another process that adds or removes a model."""


@dataclass(frozen=True)
class StoredModel:
    """A version of a model.

    name: of the model.
    version: fingerprint of the plan.
    folder: of its files.
    plan: the public one.
    message: the plan as a file for clients.
    reading: what its scores mean; None where the file does not say.
    """

    name: str
    version: str
    folder: Path
    plan: Plan
    message: bytes
    reading: Reading | None


@dataclass(frozen=True)
class Catalogue:
    """The models of a store at one moment.

    versions: every stored version, by the name of the model and then by the version.
    current: the current version, by the name of the model.
    """

    versions: Mapping[str, Mapping[str, StoredModel]] = field(default_factory=dict)
    current: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[StoredModel]:
        """The current version of each model."""
        return (self.versions[name][version] for name, version in self.current.items())

    def __len__(self) -> int:
        return len(self.current)

    @property
    def outline(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Name, current version and all versions of each model, as `ModelStore.outline` finds them."""
        return tuple((name, version, tuple(self.versions[name])) for name, version in self.current.items())


class ModelStore:
    """The models under a folder, for any number of readers and one writer at a time.

    folder: of the models.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, model: bytes, plan: bytes) -> str:
        """Add a model as the current version of a name. Earlier versions stay.

        name: of the model.
        model: its message, of `fhenn.artifacts.model_to_bytes`.
        plan: the message of its plan, of `fhenn.artifacts.plan_to_bytes`.

        Returns the version. One that is there already becomes the current one again.
        Raises FhennError where model and plan do not belong together, StoreLocked, StoreUnsafe, OSError.
        """
        if not _NAME.fullmatch(name):
            raise ParameterError(
                f"{name[:80]!r} cannot name a model.",
                "Use 1 to 64 lower-case letters, digits and, between them, dots, hyphens and underscores.",
            )
        with self._lock_for_writing():
            return self._put(name, model, plan)

    def remove(self, name: str, version: str | None = None) -> None:
        """Remove a version of a model, or the whole model.

        name: of the model.
        version: to remove; None for all of them.

        Raises ParameterError where there is no such version or it is the current one, StoreLocked, StoreUnsafe,
        OSError.
        """
        with self._lock_for_writing():
            models = {entry[0]: entry for entry in self.outline()}
            if name not in models:
                way_out = f"Name one of these: {', '.join(models)}." if models else "The store holds no models."
                raise ParameterError(f"there is no model {name[:80]!r}.", way_out)
            _, current, versions = models[name]
            if version is None:
                remove_folder(self._folder / name)
            elif version not in versions:
                raise ParameterError(
                    f"{name} has no version {version[:80]!r}.", "`fhenn model list` lists the versions."
                )
            elif version == current:
                raise ParameterError(
                    f"{version} is the current version of {name}, which cannot be removed alone.",
                    "Add another first, or leave the version out to remove the whole model.",
                )
            else:
                remove_folder(self._folder / name / version)

    def outline(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Name, current version and all versions of each model, read from the names of files. Raises OSError."""
        entries = (self._entry(home) for home in self._homes())
        return tuple(entry for entry in entries if entry is not None)

    def faults(self) -> Iterator[tuple[str, FhennError | OSError]]:
        """What keeps the models from being served: each name, and the error that `catalogue` raises for it.

        Raises OSError where the folder cannot be read.
        """
        for home in self._homes():
            try:
                entry = self._entry(home)
                if entry is not None:
                    self._versions(*entry, {})
            except (FhennError, OSError) as error:
                yield home.name, error

    def names(self) -> tuple[str, ...]:
        """The names of the models, also of those that are damaged. Raises OSError."""
        return tuple(home.name for home in self._homes() if (home / _CURRENT).exists())

    def slots(self) -> dict[str, int]:
        """Slots of a ciphertext for the current version of each model, by its name. Raises FhennError, OSError."""
        return {
            name: plan_from_bytes((self._folder / name / current / _PLAN).read_bytes()).parameters.slots
            for name, current, _ in self.outline()
        }

    def catalogue(self, known: Catalogue | None = None) -> Catalogue:
        """Read and verify all models.

        known: the catalogue of before, whose versions are not read again; None to read all.

        Raises FhennError where a file is not what it should be, OSError.
        """
        outline, known = self.outline(), known or Catalogue()
        return Catalogue(
            {
                name: self._versions(name, current, versions, known.versions.get(name, {}))
                for name, current, versions in outline
            },
            {name: current for name, current, _ in outline},
        )

    def tidy(self) -> None:
        """Remove what killed processes left, and migrate what an older fhenn stored. Raises as `add` does."""
        with self._lock_for_writing():
            pass

    def _lock_for_writing(self) -> Lock:
        """Lock the folder, made private and tidy, for writing. Raises StoreUnsafe, StoreLocked, OSError."""
        require_private(self._folder.parent)
        require_private_inside(self._folder)
        lock = Lock(self._folder.with_name("models.lock"), "Try again when it is done.", wait=_WAIT)
        try:
            sweep(self._folder)
            for path in sorted(self._folder.iterdir()):
                self._recover(path)
            for home in self._folder.iterdir():
                if _NAME.fullmatch(home.name) and home.is_dir():  # a file of somebody's notes is no model
                    sweep(home)
                    self._migrate(home)
        except BaseException:
            lock.release()
            raise
        return lock

    def _put(self, name: str, model: bytes, plan: bytes) -> str:
        """Add a version and make it the current one. Returns it."""
        network, public = model_from_bytes(model), plan_from_bytes(plan).public()
        verify(public, network)
        message, version = plan_to_bytes(public, network), public.fingerprint
        home = self._folder / name
        if (home / version).exists():
            stored = model_from_bytes((home / version / _MODEL).read_bytes())
            reading = reading_from_bytes((home / version / _PLAN).read_bytes())
            if fingerprint_of(stored) != fingerprint_of(network) or reading != reading_from_bytes(message):
                raise ParameterError(
                    f"{name} has a version {version} already, with other weights or other names of features or "
                    "classes.",
                    "Plan again with another accuracy, or remove the whole model first: fhenn model remove.",
                )
        else:
            make_folder(home)
            write_folder(home / version, {_MODEL: model, _PLAN: message})
        write(home / _CURRENT, version.encode(), private=True, overwrite=True)
        return version

    def _homes(self) -> list[Path]:
        """The folders of the models. Raises OSError."""
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _entry(self, home: Path) -> tuple[str, str, tuple[str, ...]] | None:
        """Name, current version and all versions of a model; None where there is none yet. Raises OSError."""
        current = self._current(home)
        if current is None:
            return None
        return home.name, current, tuple(sorted(path.name for path in home.iterdir() if is_version(path.name)))

    def _versions(
        self, name: str, current: str, versions: tuple[str, ...], known: Mapping[str, StoredModel]
    ) -> dict[str, StoredModel]:
        """The versions of a model, those that are not known read and verified. Raises FhennError, OSError."""
        if current not in versions:
            raise _damaged(self._folder / name, f"the current version, {current[:80]!r}, is not there")
        return {version: known.get(version) or self._load(name, version) for version in versions}

    def _load(self, name: str, version: str) -> StoredModel:
        """Read and verify a version. Raises FhennError, OSError."""
        folder = self._folder / name / version
        try:
            model, message = model_from_bytes((folder / _MODEL).read_bytes()), (folder / _PLAN).read_bytes()
            plan, reading = plan_from_bytes(message).public(), reading_from_bytes(message)
        except WireFormatError as error:
            raise _damaged(self._folder / name, f"version {version} cannot be read ({error.reason})") from error
        verify(plan, model)
        if plan.fingerprint != version:
            raise _damaged(self._folder / name, f"the plan in version {version} is that of another version")
        return StoredModel(name, version, folder.resolve(), plan, message, reading)

    @staticmethod
    def _current(home: Path) -> str | None:
        """The version that is current, None where there is none yet."""
        try:
            return (home / _CURRENT).read_text("ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as error:
            raise _damaged(home, f"the file {_CURRENT} does not name a version") from error

    def _migrate(self, home: Path) -> None:
        """Make a version of NAME/model.fhenn and NAME/plan.fhenn, as an older fhenn stored them."""
        model, plan = home / _MODEL, home / _PLAN
        if model.exists() and plan.exists() and self._current(home) is None:
            self._put(home.name, model.read_bytes(), plan.read_bytes())
        if self._current(home) is not None:
            remove(model)
            remove(plan)

    def _recover(self, path: Path) -> None:
        """Put back a model that an older fhenn had moved aside when it was killed, and drop one half added."""
        if path.name.startswith(".old-"):
            home = self._folder / path.name.removeprefix(".old-")
            if home.exists():
                remove_folder(path)
            else:
                path.rename(home)
        elif path.name.startswith(".new-"):
            remove_folder(path)


def _damaged(home: Path, reason: str) -> StoreDamaged:
    """The error about a damaged model: whatever it is, to delete the model's folder helps."""
    way_out = "Delete that folder, and add the model again with `fhenn model add`."
    return StoreDamaged("store", reason, str(home), way_out)
