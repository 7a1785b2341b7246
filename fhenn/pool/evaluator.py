"""What answers the parts of a `RayPool` on a node of the cluster."""

from __future__ import annotations

import platform
from typing import Any

import fhenn
from fhenn.artifacts import model_from_bytes, plan_from_bytes
from fhenn.backends import runs_on, use_threads
from fhenn.pool.work import error_answer, write_no_cores
from fhenn.session import Server


class Evaluator:
    """A Ray actor: one copy of the keys and the encoded weights, and threads of Ray's that compute with them.

    Its methods stay as they are from version to version, so that versions can be compared.
    """

    def __init__(self) -> None:
        self._server: Server | None = None

    def load(self, version: str, model: bytes, plan: bytes, keys: bytes) -> dict[str, Any]:
        """Load what computing takes, where this is the version of fhenn that asks.

        version: of fhenn, where the pool is.
        model, plan, keys: messages.

        Returns "node", its name; "version", of fhenn there; "evaluator", what computes there. Where it fails, what
        `fhenn.pool.failures` reads.
        """
        about = {"node": platform.node(), "version": fhenn.__version__}
        if version != fhenn.__version__:
            return about
        write_no_cores()
        use_threads(1)  # parts share the cores among themselves
        try:
            read = plan_from_bytes(plan)
            self._server = Server(model_from_bytes(model), read, keys)
        except Exception as error:
            return error_answer(error)
        return about | {"evaluator": runs_on(read.evaluator)}

    def predict(self, part: bytes, range_check: bool) -> bytes | dict[str, Any]:
        """Answer a part, as `Server.predict` does.

        Returns the answer, or where it fails what `fhenn.pool.failures` reads.
        """
        assert self._server is not None  # noqa: S101  (it is loaded first)
        try:
            return self._server.predict(part, range_check)
        except Exception as error:
            return error_answer(error)
