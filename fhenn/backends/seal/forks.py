"""Contexts in forked processes: kept for good, since TenSEAL cannot take down there what it has set up.

Every context of TenSEAL has a pool of threads, one at least, that wait on a condition variable. A fork copies the
variable with its count of those who wait, and not the threads: dropping the context in the child destroys the variable,
for which glibc waits until they all have gone, for ever. So a child keeps one more reference to every context that its
parent had made; it costs nothing, since a fork shares the memory. What the child makes itself is dropped as ever.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any
from weakref import WeakSet

_made: WeakSet[Any] = WeakSet()


def keep_in_forks(context: Any) -> None:
    """Have forks of this process keep a context of TenSEAL.

    context: the `data` of a `tenseal.Context`.
    """
    _made.add(context)


def _keep() -> None:
    """Keep, in a child, what its parent had made."""
    for context in _made:
        # not a reference of Python's own, which the interpreter would drop when it ends
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep)
