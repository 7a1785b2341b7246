"""`Machine`: how long the small steps of CKKS take on a computer, by ring degree and primes in use.

Every duration is measured at some ring degrees and numbers of primes. Between them it follows the law of its work:
a sum, a plain product or a message takes time for each of N·k residues, with k primes in use; what transforms them,
log₂N times as much (Cooley & Tukey 1965); a key switch decomposes into k digits of k + 1 residues each (Cheon et al.
2018, Halevi et al. 2019), k²·N·log₂N in all, and multiplies them by a key, which is all that a hoisted rotation does.
"""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, fields
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from math import log2
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fhenn.ckks.evaluator import SEAL
from fhenn.ckks.levels import Kind
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.errors import MachineWarning, ParameterError, WireFormatError
from fhenn.strict import built
from fhenn.versioned import VersionedJson

Primitive = Literal[
    Kind,
    "encrypt",
    "decrypt",
    "load upload",
    "load",
    "save",
    "message",
    "make key",
    "load key",
    "make context",
]
"""What is timed: the steps of an evaluator, and what is done with messages and keys.

"encrypt" and "load upload" are of ciphertexts whose random half travels as a seed. "make key" is of a key for one
rotation, saved with a seed. "make context" makes all other keys, saves those that a server gets, and loads them.
"message" is what a message takes, to be written or read, beside its ciphertexts.
"""

PRIMITIVES: tuple[Primitive, ...] = get_args(Primitive)

_STAND_INS: dict[Primitive, Primitive] = {"hoisted rotation": "rotation"}
"""What an evaluator does in the place of what it was not measured for: nothing is shared where nothing is hoisted."""

VARIABLE = "FHENN_MACHINE"
"""Names a file of timings, in the place of the one among the user's data; "shipped" stands for those of the package."""

_DOCUMENT = VersionedJson("machine", 1)
_SHIPPED = "machine.json"
_LONGEST_FILE = 1 << 20

_LONGEST = 3600.0
"""Seconds: no primitive takes an hour."""

_PER_RESIDUE = frozenset({"plain product", "product", "addition", "number", "load", "load upload", "save"})
_PER_KEY_SWITCH = frozenset({"relinearisation", "rotation", "make key", "load key", "make context"})

_RENEW = "Measure them again with `fhenn calibrate-machine`."


@dataclass(frozen=True)
class Timing:
    """How long one primitive takes. Raises ParameterError where that is out of range.

    evaluator: by the name that plans name it by.
    primitive: what is timed.
    ring_degree: N.
    primes: in use under a ciphertext; of keys and contexts, those of the whole chain but the special one.
    seconds: of one.
    """

    evaluator: str
    primitive: Primitive
    ring_degree: int
    primes: int
    seconds: float

    def __post_init__(self) -> None:
        if self.ring_degree not in MAX_MODULUS_BITS or not (0 < self.primes <= 64 and 0 < self.seconds < _LONGEST):
            raise ParameterError(f"the timing of {self.primitive!r} at {self.ring_degree} is out of range.", _RENEW)


@dataclass(frozen=True)
class Machine:
    """Seconds of the small steps of CKKS on a computer. Plans are costed with `Machine.known()`.

    name: of the computer, for people.
    timings: what was measured; every primitive at least once for each evaluator, and SEAL among them.

    Raises ParameterError where a primitive was not measured.

    >>> machine = Machine.shipped()
    >>> 0 < machine.seconds("addition", 8192, 2) < machine.seconds("rotation", 8192, 2)
    True
    """

    name: str
    timings: tuple[Timing, ...]

    def __post_init__(self) -> None:
        for evaluator in {SEAL.name, *self.evaluators}:
            required = [each for each in PRIMITIVES if each not in _STAND_INS]
            missing = [each for each in required if (evaluator, each) not in self._measured]
            if missing:
                raise ParameterError(
                    f"the machine has no timing of {missing[0]!r} for the evaluator {evaluator!r:.40}.", _RENEW
                )

    @classmethod
    def shipped(cls) -> Machine:
        """The machine whose timings come with the package."""
        return _shipped()

    @classmethod
    def known(cls) -> Machine:
        """The machine that was measured here, or the shipped one where none was.

        A file that cannot be read is passed over, with a MachineWarning that says how to renew it.
        """
        path = machine_file()
        if path is None:
            return cls.shipped()
        try:
            return _read(path, path.stat().st_mtime_ns)
        except FileNotFoundError as error:
            if os.environ.get(VARIABLE):  # somebody counts on it
                warnings.warn(MachineWarning(str(path), str(error)), stacklevel=2)
        except (WireFormatError, OSError) as error:
            warnings.warn(MachineWarning(str(path), str(error)), stacklevel=2)
        return cls.shipped()

    @cached_property
    def _measured(self) -> dict[tuple[str, Primitive], dict[int, list[tuple[int, float]]]]:
        """By evaluator and primitive, then ring degree: primes, ascending, with seconds by unit of the law."""
        found: dict[tuple[str, Primitive], dict[int, list[tuple[int, float]]]] = {}
        for each in sorted(self.timings, key=lambda timing: timing.primes):
            rings = found.setdefault((each.evaluator, each.primitive), {})
            unit = _law(each.primitive, each.ring_degree, each.primes)
            rings.setdefault(each.ring_degree, []).append((each.primes, each.seconds / unit))
        return found

    @cached_property
    def evaluators(self) -> tuple[str, ...]:
        """The evaluators that were measured."""
        return tuple(sorted({timing.evaluator for timing in self.timings}))

    def evaluator(self, name: str) -> str:
        """The evaluator whose timings stand for that of a name: SEAL where it was not measured itself.

        name: by which plans name it.
        """
        return name if name in self.evaluators else SEAL.name

    def seconds(self, primitive: Primitive, ring_degree: int, primes: int, evaluator: str = SEAL.name) -> float:
        """How long a primitive takes.

        primitive: what is asked for.
        ring_degree: N, a power of two.
        primes: in use, 1 or more.
        evaluator: by the name that plans name it by; SEAL's timings stand for one that was not measured.

        Returns seconds: as measured for that ring degree and number of primes, or by the law of the primitive's work
        from the nearest ones that were.
        """
        name = self.evaluator(evaluator)
        if (name, primitive) not in self._measured:
            primitive = _STAND_INS[primitive]
        rings = self._measured[name, primitive]
        nearest = min(rings, key=lambda ring: (abs(log2(ring / ring_degree)), ring))
        points = rings[nearest]
        unit = float(np.interp(primes, [point[0] for point in points], [point[1] for point in points]))
        return unit * _law(primitive, ring_degree, primes)

    def to_json(self) -> str:
        """The machine as JSON; `from_json` reads it."""
        return _DOCUMENT.write({"name": self.name, "timings": [list(vars(each).values()) for each in self.timings]})

    @classmethod
    def from_json(cls, text: str | bytes) -> Machine:
        """The machine that `to_json` wrote.

        text: JSON.

        Raises WireFormatError where it is no machine, or a primitive is missing.
        """
        return _DOCUMENT.read(text, cls._from_fields, _require_short)

    @classmethod
    def _from_fields(cls, found: dict[str, Any]) -> Machine:
        """The machine of fields from outside. Raises ValueError where they cannot be."""
        names = [each.name for each in fields(Timing)]
        rows = found.pop("timings")
        timings: tuple[Timing, ...] = built(
            tuple[Timing, ...], [dict(zip(names, row, strict=True)) if isinstance(row, list) else row for row in rows]
        )
        machine: Machine = built(cls, found | {"timings": timings})
        return machine


def machine_file() -> Path | None:
    """Where the timings of this machine are kept: what FHENN_MACHINE names, or a file among the user's data.

    Returns None for `FHENN_MACHINE=shipped`, and where the user has no home.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return None if named == "shipped" else Path(named)
    try:
        return _data_folder() / "fhenn" / "machine.json"
    except RuntimeError:  # there is no home
        return None


def _data_folder() -> Path:
    """Where the platform keeps a user's data (XDG base directories; Apple's and Microsoft's guides)."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "share"


def _law(primitive: Primitive, ring_degree: int, primes: int) -> float:
    """What a primitive's time is proportional to, where one term outweighs all others."""
    if primitive == "message":
        return 1.0
    if primitive in _PER_RESIDUE:
        return float(ring_degree * primes)
    if primitive == "hoisted rotation":
        return float(ring_degree * primes * (primes + 1))
    transforms = primes * (primes + 1) if primitive in _PER_KEY_SWITCH else primes
    return ring_degree * log2(ring_degree) * transforms


def _require_short(text: str | bytes) -> None:
    """Raise ValueError where a text is longer than any machine's."""
    if len(text) > _LONGEST_FILE:
        raise ValueError(f"its {len(text):,} bytes are more than {_LONGEST_FILE:,}")


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Machine:
    """The machine in a file, which was last changed then. Raises WireFormatError, OSError."""
    with path.open("rb") as file:
        return Machine.from_json(file.read(_LONGEST_FILE + 1))


@cache
def _shipped() -> Machine:
    """The machine in the package."""
    return Machine.from_json((files("fhenn.planner") / _SHIPPED).read_bytes())
