"""`encrypted`: a model's two sides in one process, with the methods that its users know."""

from __future__ import annotations

from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ParameterError, UnsupportedOperation
from fhenn.interop.model import ImportedModel
from fhenn.interop.reading import Reading
from fhenn.planner import Plan, plan
from fhenn.planner.plan import LayoutName
from fhenn.session import Client, Server

Floats = NDArray[np.float64]
OnBounds = Literal["raise", "clip"]


class EncryptedModel:
    """Predicts under encryption: encrypts as a client, computes as a server, decrypts and reads the scores.

    model: the twin. plan: made for it. on_bounds: what happens to values beyond the plan's bounds, which the server
    could not see: "raise" refuses them, "clip" takes the nearest bound. Make one with `fhenn.encrypted`.

    All of it is in one process, to try and to measure. Apart, `client` and `server` exchange `evaluation_keys`,
    messages and answers as bytes, and `reading.predict(client.decrypt_scores(answer))` is what the client reads.
    It holds a secret key, so it does not pickle. Raises ParameterError, PlanError.
    """

    def __init__(self, model: ImportedModel, plan: Plan, *, on_bounds: OnBounds = "raise") -> None:
        if on_bounds not in ("raise", "clip"):
            raise ParameterError(f"on_bounds {on_bounds!r} is unknown.", "Choose 'raise' or 'clip'.")
        self._model, self._plan, self._on_bounds = model, plan, on_bounds
        self._client = Client(plan)
        self._server = Server(model, plan, self._client.evaluation_keys())

    @property
    def model(self) -> ImportedModel:
        """The twin."""
        return self._model

    @property
    def reading(self) -> Reading:
        """What the scores mean."""
        return self._model.reading

    @property
    def plan(self) -> Plan:
        """What it costs, and how far decrypted scores may be from the twin's."""
        return self._plan

    @property
    def client(self) -> Client:
        """The side with the data and the secret key."""
        return self._client

    @property
    def server(self) -> Server:
        """The side with the model, which holds evaluation keys only."""
        return self._server

    def scores(self, X: Any) -> Floats:
        """Decrypted scores (samples, outputs), within `plan.error` of the twin's.

        Raises BoundsExceeded where values leave the plan's bounds and on_bounds is "raise", and what `ImportedModel`
        raises.
        """
        values = self._model.reading.samples(X)
        if self._on_bounds == "clip" and values.shape[1] == self._plan.features:
            values = np.clip(values, self._plan.low, self._plan.high)
        answer = self._server.predict(self._client.encrypt(values))
        return self._client.decrypt_scores(answer)

    def predict(self, X: Any) -> Any:
        """Labels (samples,), or values."""
        return self.reading.predict(self.scores(X))

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities (samples, classes). Raises UnsupportedOperation where the model has none."""
        return self.reading.predict_proba(self.scores(X))

    def decision_function(self, X: Any) -> Floats:
        """Scores (samples,) of two classes, or (samples, classes). Raises UnsupportedOperation for a regression."""
        return self.reading.decision_function(self.scores(X))

    def score(self, X: Any, y: ArrayLike) -> float:
        """Accuracy, or R²."""
        return self.reading.score(self.scores(X), y)

    def __reduce__(self) -> NoReturn:
        raise UnsupportedOperation(
            "pickling an EncryptedModel", "It holds a secret key. Keep the plan (`to_json`), and make keys anew."
        )


def encrypted(
    model: ImportedModel,
    inputs: Any,
    *,
    accuracy: float = 1e-3,
    layout: LayoutName = "throughput",
    margin: float = 0.5,
    on_bounds: OnBounds = "raise",
) -> EncryptedModel:
    """An imported model with keys of its own, ready to predict under encryption.

    inputs: bounds of the features, (2, features) of low and high or (2,) for all; or data (samples >= 3, features),
    for instance those of the training, whose box is widened on either side by `margin` times its width. Values beyond
    are refused, or clipped (`on_bounds`). accuracy: largest |decrypted - twin| of a score. layout: "throughput"
    serves thousands of samples as fast as one, "latency" single ones.
    Raises what `fhenn.plan` does, FeatureMismatch.

    >>> from fhenn.nn import Linear
    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], "sigmoid"))
    >>> private = encrypted(model, inputs=[0, 2])
    >>> private.predict([[2.0, 1.0], [1.0, 2.0]]).tolist()
    ['yes', 'no']
    """
    bounds = bounds_of(model.reading, inputs, margin)
    return EncryptedModel(model, plan(model, inputs=bounds, accuracy=accuracy, layout=layout), on_bounds=on_bounds)


def bounds_of(reading: Reading, inputs: Any, margin: float) -> Floats:
    """Bounds (2, features) or (2,): those given, or the box of data, widened. Raises ParameterError, ShapeMismatch."""
    if not 0 <= margin < np.inf:
        raise ParameterError(f"margin {margin!r} is out of range.", "Give a number from 0.")
    if np.shape(inputs) == (2,):
        return np.asarray(inputs, dtype=np.float64)
    values = reading.samples(inputs)
    if len(values) <= 2:
        return values
    low, high = values.min(axis=0), values.max(axis=0)
    return np.stack([low - margin * (high - low), high + margin * (high - low)])
