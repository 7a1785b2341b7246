"""Actors that are not what they should be: Ray's workers import them by their names."""

import ctypes
import os
import time
from pathlib import Path

from fhenn.pool.evaluator import Evaluator
from fhenn.session.receipt import UploadHeader

DEADLY, BROKEN = 3, 5
"""The part that ends the process of an actor, and the one that shows a defect."""


TRIES = "FHENN_TEST_TRIES"
"""The variable that says where they are written down."""


SECONDS = 0.2
"""That a try takes at least."""


class Crashing(Evaluator):
    """An actor that dies of one part, and writes down which parts it tries."""

    def predict(self, part, range_check):
        place = UploadHeader.of(part).part
        with Path(os.environ[TRIES]).open("a") as file:
            file.write(f"{place} {os.getpid()} {time.monotonic()}\n")
        time.sleep(SECONDS)
        if place == DEADLY:
            ctypes.string_at(0)
        return super().predict(part, range_check)


class Defective(Evaluator):
    """An actor that fails in a way that nobody thought of."""

    def predict(self, part, range_check):
        raise LookupError("a defect")


class Unready(Evaluator):
    """An actor that dies while it loads."""

    def load(self, *arguments):
        ctypes.string_at(0)
