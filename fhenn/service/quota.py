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

from fhenn.artifacts.files import sweep, write
from fhenn.planner import Plan
from fhenn.pool.work import Buffer, ciphertexts_in
from fhenn.service.clock import Clock
from fhenn.service.folder import require_private_inside
from fhenn.service.problems import Problem
from fhenn.strict import built, read_json

_DAY = 24 * 3600 * 10**9


def samples_in(upload: Buffer, plan: Plan) -> int:
    """How many samples an upload counts as.

    upload: the message.
    plan: that it is for.

    Raises WireFormatError where its structure is broken.
    """
    return ceil(ciphertexts_in(upload) / plan.ciphertexts_per_sample) * plan.parameters.slots


class Quotas:
    """Counts by token and day (UTC), a file each; its methods may be called from any thread.

    A count is on the disk before anything is evaluated. The days are those of the store's clock, which does not run
    backwards: no count is lost because somebody set the system's clock.

    folder: of the files.
    clock: of the store.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def tidy(self) -> None:
        """Remove what killed processes left half written. Raises OSError."""
        if self._folder.is_dir():
            sweep(self._folder)

    def charge(self, token: str, most: int, samples: int) -> int:
        """Count samples for a token.

        token: its id.
        most: samples that it may have in a day.
        samples: to count.

        Returns the day that they count for, in days since the epoch.
        Raises Problem where they are too many, OSError.
        """
        if samples > most:
            detail = (
                f"This counts as {samples} samples, one for each slot; this token may have {most} a day, so it can "
                "never be answered. Send fewer samples at once, or ask for a token that may have more."
            )
            raise Problem(429, "quota", detail)
        with self._lock(token):
            day, now = divmod(self._clock.now(), _DAY)
            used = self._used(token, day)
            if used + samples > most:
                detail = (
                    f"This counts as {samples} samples, one for each slot; {max(most - used, 0)} of the {most} a day "
                    "of this token are left. Wait until midnight UTC, or ask for a token that may have more."
                )
                raise Problem(429, "quota", detail, retry_after=ceil((_DAY - now) / 10**9))
            self._write(token, day, used + samples)
            return day

    def refund(self, token: str, day: int, samples: int) -> None:
        """Take back samples that were not answered, unless their day is over.

        token: its id.
        day: that `charge` returned.
        samples: to take back.

        Raises OSError.
        """
        with self._lock(token):
            last_day, used = self._read(token)
            if last_day == day:
                self._write(token, day, max(used - samples, 0))

    def used_today(self, token: str) -> int:
        """Samples that count for a token today. Raises OSError."""
        return self._used(token, self._clock.now() // _DAY)

    def _lock(self, token: str) -> threading.Lock:
        """The lock of a token's count."""
        with self._guard:
            return self._locks[token]

    def _used(self, token: str, day: int) -> int:
        """Samples that count for a token on a day. Raises OSError."""
        last_day, used = self._read(token)
        return used if last_day >= day else 0

    def _read(self, token: str) -> tuple[int, int]:
        """The latest day that a token asked on, and the samples that count for it. Raises OSError."""
        try:
            entry: tuple[int, int] = built(tuple[int, int], read_json((self._folder / token).read_bytes()))
        except FileNotFoundError:
            return -1, 0
        except ValueError as error:  # nobody knows how many are left: nothing is granted
            raise OSError(f"the count of token {token} is not readable") from error
        return entry

    def _write(self, token: str, day: int, samples: int) -> None:
        """Write the count of a token. Raises StoreUnsafe, OSError."""
        require_private_inside(self._folder)
        write(self._folder / token, json.dumps([day, samples]).encode(), private=True, overwrite=True)
