"""Actors that are not what they should be: Ray's workers import them by their names."""

import ctypes

from fhenn.pool.evaluator import Evaluator
from fhenn.session.receipt import UploadHeader

DEADLY, BROKEN = 3, 5
"""The part that ends the process of an actor, and the one that shows a defect."""


class Crashing(Evaluator):
    """An actor that dies of one part."""

    def predict(self, part, range_check):
        if UploadHeader.of(part).part == DEADLY:
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
