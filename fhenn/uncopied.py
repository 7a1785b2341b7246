"""Objects that cannot be pickled or copied: they hold keys, a connection, or a count that must not exist twice."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from fhenn.errors import UnsupportedOperation
from fhenn.text import an


class Uncopied:
    """Base of classes whose `pickle`, `copy` and `deepcopy` raise UnsupportedOperation.

    A class says in `_instead` what to do in the place of that.

    >>> import copy
    >>> class Key(Uncopied):
    ...     _instead = "Use to_bytes()."
    >>> copy.copy(Key())
    Traceback (most recent call last):
    fhenn.errors.UnsupportedOperation: pickling or copying a Key is not supported here. Use to_bytes().
    """

    _instead: ClassVar[str]

    def __reduce__(self) -> NoReturn:
        raise UnsupportedOperation(f"pickling or copying {an(type(self).__name__)}", self._instead)
