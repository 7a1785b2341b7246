"""The client: holds the data and the secret key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.backends import PLAIN
from fhenn.backends.ckks import CipherArray, Context, decrypt, encrypt
from fhenn.errors import BoundsExceeded, NonFiniteValue, ShapeMismatch
from fhenn.nn.finish import finished
from fhenn.planner import Plan
from fhenn.safety import Certificate


class Client:
    """Makes keys for a plan, encrypts samples, decrypts answers.

    plan: from `fhenn.plan`, for the model that the server runs. progress: called with (what, done, total) while keys
    are made and samples encrypted. certificate: from `fhenn.certify`; when given, it must hold for the plan.
    Raises ParameterError, CertificateInvalid.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, inputs=[-1, 1])
    >>> client = Client(plan)
    >>> server = fhenn.Server(model, plan, client.evaluation_keys())
    >>> client.decrypt(server.predict(client.encrypt([[0.75, 0.5]]))).round(3)
    array([[0.25]])
    """

    def __init__(
        self,
        plan: Plan,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        certificate: Certificate | None = None,
    ) -> None:
        if certificate is not None:
            certificate.require(plan)
        self._plan = plan
        self._progress = progress
        progress("keys", 0, 1)
        self._context = Context.generate(plan.parameters, plan.rotations)
        progress("keys", 1, 1)

    @property
    def plan(self) -> Plan:
        """What the keys were made for."""
        return self._plan

    @property
    def fingerprint(self) -> str:
        """Which key generation this is."""
        return self._context.fingerprint

    def evaluation_keys(self) -> bytes:
        """What the server needs to compute: public, relinearisation and rotation keys. Never the secret key."""
        return self._context.to_bytes()

    def encrypt(self, x: ArrayLike) -> bytes:
        """Samples × features as a message for the server; any number of samples, one sample may be (features,).

        Raises ShapeMismatch for another number of features or no samples, NonFiniteValue, UnsupportedValue, and
        BoundsExceeded where values leave the bounds that were declared to the plan: the server could not see it.
        """
        values = PLAIN.value(x).astype(np.float64, copy=False)
        values = values[None, :] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != self._plan.features or len(values) == 0:
            raise ShapeMismatch("encrypt", values.shape, f"(samples, {self._plan.features}), at least one sample")
        nonfinite = int(np.count_nonzero(~np.isfinite(values)))
        if nonfinite:
            raise NonFiniteValue("encrypt", nonfinite, "CKKS cannot encode them: drop or impute them first.")
        self._require_bounds(values)
        self._progress("encrypt", 0, len(values))
        message = encrypt(self._context, values, layout=self._plan.layout).to_bytes()
        self._progress("encrypt", len(values), len(values))
        return message

    def _require_bounds(self, values: NDArray[np.float64]) -> None:
        low, high = np.array(self._plan.low), np.array(self._plan.high)
        beyond = np.maximum(low - values, values - high)
        if beyond.max() > 0:
            features = tuple(int(feature) for feature in np.flatnonzero(beyond.max(axis=0) > 0))
            row, feature = np.unravel_index(int(beyond.argmax()), beyond.shape)
            raise BoundsExceeded(features, float(values[row, feature]), float(low[feature]), float(high[feature]))

    def decrypt(self, answer: bytes) -> Any:
        """The model's answer, finished: scores (samples, outputs), or what the plan's finish makes of them.

        Keep it here: a CKKS decryption carries traces of the secret key. Raises WireFormatError, ContextMismatch.
        """
        return finished(self._plan.finish, self.decrypt_scores(answer))

    def decrypt_scores(self, answer: bytes) -> NDArray[np.float64]:
        """The scores (samples, outputs) as the server computed them. Raises WireFormatError, ContextMismatch."""
        return decrypt(self._context, CipherArray.from_bytes(self._context, answer))
