"""How many samples a token may have predicted in a day, over restarts too.

What is counted is what nobody can understate: the server cannot see how many samples a ciphertext holds, and one that
is crafted yields a number of the model for every slot. So samples that share ciphertexts count as their slots, whatever
the message says of itself.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from math import ceil
from pathlib import Path

from fhenn.artifacts.files import write
from fhenn.planner import Plan
from fhenn.service.clock import Clock
from fhenn.service.folder import require_private_inside
from fhenn.service.problems import Problem
from fhenn.service.work import ciphertexts_in
from fhenn.strict import built, read_json

_DAY = 24 * 3600 * 10**9


def samples_in(upload: bytes, plan: Plan) -> int:
    """The samples that an upload counts as. Raises WireFormatError where its structure breaks."""
    return ceil(ciphertexts_in(upload) / plan.ciphertexts_per_sample) * plan.parameters.slots


class Quotas:
    """Counts by token and day (UTC), a file each; its methods may be called from any thread.

    A count is on the disk before anything is evaluated. The days are those of the store's clock, which does not run
    backwards: no count is forgotten because somebody set the system's.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def charge(self, token: str, most: int, samples: int) -> None:
        """Count samples for a token. token: its id. most: a day. Raises Problem where they are too many, OSError."""
        with self._lock(token):
            day, now = divmod(self._clock.now(), _DAY)
            used = self._used(token, day)
            if used + samples > most:
                detail = (
                    f"This counts as {samples} samples, one for each slot; {max(most - used, 0)} of the {most} a day "
                    "of this token are left. Wait until midnight UTC, or ask for a token that may have more."
                )
                raise Problem(429, "quota", detail, retry_after=ceil((_DAY - now) / 10**9))
            self._keep(token, day, used + samples)

    def refund(self, token: str, samples: int) -> None:
        """What was counted was not answered. Raises OSError."""
        with self._lock(token):
            day = self._clock.now() // _DAY
            self._keep(token, day, max(self._used(token, day) - samples, 0))

    def used(self, token: str) -> int:
        """Samples of a token today."""
        return self._used(token, self._clock.now() // _DAY)

    def _lock(self, token: str) -> threading.Lock:
        with self._guard:
            return self._locks[token]

    def _used(self, token: str, day: int) -> int:
        try:
            found: tuple[int, int] = built(tuple[int, int], read_json((self._folder / token).read_bytes()))
        except FileNotFoundError:
            return 0
        except ValueError as error:  # it says nothing: nothing is granted on it
            raise OSError(f"the count of token {token} is not readable") from error
        return found[1] if found[0] >= day else 0

    def _keep(self, token: str, day: int, samples: int) -> None:
        require_private_inside(self._folder)
        write(self._folder / token, json.dumps([day, samples]).encode(), private=True, overwrite=True)
