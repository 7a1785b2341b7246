"""Networks and Chebyshev series in OpenFHE, each in its best hand-written circuit.

A wheel of OpenFHE is for one version of Python, so this file needs NumPy and OpenFHE only, and Python 3.10: run as a
script, it answers the requests of `openfhe_peer`, as a client or as a server.

Scaling is FIXEDMANUAL, the fastest: rescales are left out where the modulus holds the product, and weights and
constants are encoded at scales that make up for the primes, which are no powers of two.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import re
import sys
from dataclasses import dataclass
from itertools import chain
from time import process_time
from typing import Any

import numpy as np
import openfhe
from messages import receive, send
from numpy.typing import ArrayLike, NDArray
from peak_memory import peak

Floats = NDArray[np.float64]
BINARY = openfhe.BINARY

# 0.5 + 0.197x - 0.004x³ = 0.5 + u(u² + TILT) for u = STRETCH·x, which the weights take in: two products, no constant
STRETCH = -(0.004 ** (1 / 3))
TILT = 0.197 / STRETCH


@dataclass(frozen=True)
class Settings:
    """What a client makes keys for; depth + 1 primes, one special prime of 60 bits."""

    ring_degree: int
    depth: int
    first_bits: int
    scale_bits: int
    rotations: frozenset[int] = frozenset()
    technique: str = "FIXEDMANUAL"


class Client:
    """Keys, encryption and decryption."""

    def __init__(self, settings: Settings) -> None:
        parameters = openfhe.CCParamsCKKSRNS()
        parameters.SetSecurityLevel(openfhe.HEStd_128_classic)
        parameters.SetRingDim(settings.ring_degree)
        parameters.SetMultiplicativeDepth(settings.depth)
        parameters.SetFirstModSize(settings.first_bits)
        parameters.SetScalingModSize(settings.scale_bits)
        parameters.SetScalingTechnique(getattr(openfhe, settings.technique))
        parameters.SetNumLargeDigits(settings.depth + 1)  # a prime each, for a single special prime
        self.context = openfhe.GenCryptoContext(parameters)
        for feature in ("PKE", "KEYSWITCH", "LEVELEDSHE", "ADVANCEDSHE"):
            self.context.Enable(getattr(openfhe.PKESchemeFeature, feature))
        self.secret = self.context.KeyGen().secretKey
        self.context.EvalMultKeyGen(self.secret)
        if settings.rotations:
            self.context.EvalRotateKeyGen(self.secret, sorted(settings.rotations))
        self.rotates = bool(settings.rotations)

    def message(self, vectors: list[Floats]) -> dict[str, Any]:
        """What a server gets: context, evaluation keys and ciphertexts, never the secret key."""
        tag = self.secret.GetKeyTag()
        plaintexts = [self.context.MakeCKKSPackedPlaintext(np.ascontiguousarray(vector)) for vector in vectors]
        return {
            "context": openfhe.Serialize(self.context, BINARY),
            "products": openfhe.SerializeEvalMultKeyString(BINARY, tag),
            "rotations": openfhe.SerializeEvalAutomorphismKeyString(BINARY, tag) if self.rotates else b"",
            # under the secret key, at a hundredth of the public key's noise
            "ciphertexts": [openfhe.Serialize(self.context.Encrypt(self.secret, each), BINARY) for each in plaintexts],
        }

    def decrypt(self, answer: bytes) -> Floats:
        """All slots of an answer."""
        ciphertext = openfhe.DeserializeCiphertextString(answer, BINARY)
        return np.array(self.context.Decrypt(ciphertext, self.secret).GetRealPackedValue())


class Circuit:
    """A model, as the client packs for it and as the server evaluates it."""

    settings: Settings

    @property
    def slots(self) -> int:
        return self.settings.ring_degree // 2

    def load(self, message: dict[str, Any]) -> None:
        """Take a client's message and encode the weights."""
        self.attach(openfhe.DeserializeCryptoContextString(message["context"], BINARY))
        openfhe.DeserializeEvalMultKeyString(message["products"], BINARY)
        if message["rotations"]:
            openfhe.DeserializeEvalAutomorphismKeyString(message["rotations"], BINARY)
        self.inputs = [self.owned(openfhe.DeserializeCiphertextString(each, BINARY)) for each in message["ciphertexts"]]
        self.prepare()

    def owned(self, loaded: Any) -> Any:
        """The same ciphertext with the context's own parameter objects, which OpenFHE multiplies 5 times as fast.

        It is added to an exact zero, which comes from a key that is thrown away.
        """
        zero = self.context.MakeCKKSPackedPlaintext(np.zeros(self.slots))
        fresh = self.context.Encrypt(self.context.KeyGen().secretKey, zero)
        ciphertext = self.context.EvalSub(fresh, fresh)
        ciphertext.SetKeyTag(loaded.GetKeyTag())
        self.context.EvalAddInPlaceNoCheck(ciphertext, loaded)
        return ciphertext

    def attach(self, context: Any) -> None:
        """Use a context, and learn its primes."""
        self.context = context
        self.unit = 2.0**self.settings.scale_bits
        # the primes over 2^scale_bits, first prime first: what a rescale divides by, beyond the unit
        found = map(int, re.findall(r'"v":\s*(\d+)', openfhe.Serialize(self.context, openfhe.JSON)))
        large = [value for value in found if value > 2**20 and value % (2 * self.settings.ring_degree) == 1]
        self.primes = [prime / self.unit for prime in dict.fromkeys(large)][: self.settings.depth + 1]

    def prepare(self) -> None:
        """Encode the weights for the context."""

    def pack(self, x: ArrayLike) -> list[Floats]:
        """The slots of each ciphertext that the client sends."""
        raise NotImplementedError

    def evaluate(self) -> Any:
        """The encrypted answer to the loaded ciphertexts."""
        raise NotImplementedError

    def unpack(self, slots: Floats) -> Floats:
        """The scores in an answer's slots."""
        raise NotImplementedError

    def encode(self, values: ArrayLike, level: int) -> Any:
        """A plaintext, repeated over the slots, in the form in which it is multiplied."""
        row = np.ascontiguousarray(np.resize(values, self.slots), dtype=np.float64)
        plaintext = self.context.MakeCKKSPackedPlaintext(row, 1, level)
        plaintext.SetFormat(openfhe.Format.EVALUATION)
        return plaintext

    def fold(self, ciphertext: Any, groups: list[list[int]]) -> Any:
        """The sum of a ciphertext and its rotations, group after group; one division by the special prime a group."""
        for group in groups:
            digits = self.context.EvalFastRotationPrecompute(ciphertext)
            total = self.context.EvalFastRotationExt(ciphertext, group[0], digits, True)
            for step in group[1:]:
                turned = self.context.EvalFastRotationExt(ciphertext, step, digits, True)
                self.context.EvalAddInPlaceNoCheck(total, turned)
            ciphertext = self.context.EvalAdd(ciphertext, self.context.KeySwitchDown(total))
        return ciphertext

    @staticmethod
    def settled(ciphertext: Any) -> Any:
        """The same, counted as one scale: what is added next is encoded at the scale that it really has."""
        ciphertext.SetNoiseScaleDeg(1)
        return ciphertext

    def weighted(self, ciphertexts: list[Any], plaintexts: list[Any]) -> Any:
        """Σ ciphertext · plaintext."""
        total = self.context.EvalMult(ciphertexts[0], plaintexts[0])
        for ciphertext, plaintext in zip(ciphertexts[1:], plaintexts[1:], strict=True):
            self.context.EvalAddInPlaceNoCheck(total, self.context.EvalMult(ciphertext, plaintext))
        return total


def fold_groups(step: int, *radices: int) -> list[list[int]]:
    """Rotations that sum, group after group, as many slots as the radices' product, `step` apart."""
    groups = []
    for radix in radices:
        groups.append([step * i for i in range(1, radix)])
        step *= radix
    return groups


class LogisticRegression(Circuit):
    """A score a sample: one sample in a ciphertext, or a feature in a ciphertext and 4,096 samples in its slots.

    Primes of [55, 51, 51] bits: one for the weights, then u's cubic fits the others without a rescale in between.
    """

    scale = 2.0**34.6  # of u, for scores below 2

    def __init__(self, weight: ArrayLike, bias: float, one_sample: bool) -> None:
        self.weight, self.bias, self.one_sample = np.asarray(weight, dtype=np.float64).reshape(-1), bias, one_sample
        self.groups = fold_groups(1, 4, 8) if one_sample else []
        self.settings = Settings(8192, 2, 55, 51, frozenset(chain(*self.groups)))

    def pack(self, x: ArrayLike) -> list[Floats]:
        values = np.asarray(x, dtype=np.float64)
        return [np.resize(padded(values.reshape(-1), 32), self.slots)] if self.one_sample else list(values.T)

    def prepare(self) -> None:
        small = self.scale / self.unit
        weight = self.weight * STRETCH * small * self.primes[2]
        self.factors = self.encode(padded(weight, 32), 0) if self.one_sample else weight.tolist()
        self.bias_of_u = self.encode(self.bias * STRETCH * small, 1)
        self.tilt = TILT * small**2
        self.half = self.encode(0.5 * self.gain, 2)

    @property
    def gain(self) -> float:
        """The scale of the scores, over the unit: that of u³, divided by a prime."""
        return self.scale**3 / self.unit**2 / self.primes[1]

    def evaluate(self) -> Any:
        context = self.context
        if self.one_sample:
            u = self.fold(context.Rescale(context.EvalMult(self.inputs[0], self.factors)), self.groups)
        else:
            u = context.EvalLinearWSum(self.inputs, self.factors)  # which rescales
        u = context.EvalAdd(u, self.bias_of_u)
        cubic = context.EvalMult(context.EvalAdd(context.EvalSquare(u), self.tilt), u)
        return context.EvalAdd(self.settled(context.Rescale(cubic)), self.half)

    def unpack(self, slots: Floats) -> Floats:
        # every slot holds the one sample's score; a key switch disturbs slot 0 and a few others much more than the rest
        return (np.median(slots, keepdims=True) if self.one_sample else slots) / self.gain


class Perceptron(Circuit):
    """784-128-10, one sample in one ciphertext (baby and giant steps over 32 diagonals) or in 25 (no such steps).

    Primes of [55, 34, 34, 34] bits, for the first product, u², and the last two products together. Scores below 4.
    """

    scale, last_scale = 2.0**32, 2.0**24  # of u, of the last weights
    baby = 8

    def __init__(self, first: Floats, first_bias: Floats, last: Floats, last_bias: Floats, uploads: int = 1) -> None:
        self.first, self.first_bias, self.last, self.last_bias = first, first_bias, last, last_bias
        self.giants = 32 // self.baby if uploads == 1 else 1
        self.over_inputs, self.over_hidden = fold_groups(128, 4, 8), fold_groups(1, 4, 4, 8)
        steps = set(chain(*self.over_inputs, *self.over_hidden))
        position = np.arange(4096)
        if uploads == 1:  # 4 copies of the sample, each turned 32 positions further
            self.held = ((position + 32 * (position // 1024)) % 1024)[None]
            steps |= set(range(1, self.baby)) | {self.baby * giant for giant in range(1, self.giants)}
        else:  # 32 features a ciphertext, each for 128 outputs
            self.held = position // 128 + 32 * np.arange(uploads)[:, None]
        self.settings = Settings(8192, 3, 55, 34, frozenset(steps))

    def pack(self, x: ArrayLike) -> list[Floats]:
        return list(padded(np.asarray(x, dtype=np.float64).reshape(-1), 1024)[self.held])

    def prepare(self) -> None:
        small, position = self.scale / self.unit, np.arange(4096)
        weight = padded(self.first, 1024) * STRETCH * small * self.primes[3]
        shifts = range(self.giants * self.baby) if self.giants > 1 else range(1)
        # a giant step turns what it has summed, so its weights are turned the other way
        turned = [
            np.roll(weight[position % 128, np.roll(held, -shift)], shift - shift % self.baby)
            for held in self.held
            for shift in shifts
        ]
        self.diagonals = [self.encode(values, 0) for values in turned]
        self.bias_of_u = self.encode(self.first_bias * STRETCH * small, 1)
        self.tilt = TILT * small**2 / self.primes[2]
        rows = np.zeros((32, 128))
        rows[1:11] = self.last  # not 0: slot 0 is where key switches disturb most
        self.rows = self.encode(rows.reshape(-1) * self.last_scale / self.unit, 2)
        bias = np.zeros(4096)
        bias[128:1408:128] = self.last_bias + 0.5 * self.last.sum(axis=1)
        self.last_offset = self.encode(bias * self.gain, 3)

    @property
    def gain(self) -> float:
        """The scale of the scores, over the unit: that of u³ and the last weights, divided by two primes."""
        small = self.scale / self.unit
        return small**3 * self.last_scale / self.primes[2] / self.primes[1]

    def evaluate(self) -> Any:
        context = self.context
        product = self.by_steps() if self.giants > 1 else self.weighted(self.inputs, self.diagonals)
        u = context.EvalAdd(self.fold(context.Rescale(product), self.over_inputs), self.bias_of_u)
        tilted = context.EvalAdd(context.Rescale(context.EvalSquare(u)), self.tilt)
        cubic = context.EvalMult(tilted, context.LevelReduce(u, None, 1))
        scores = context.Rescale(context.EvalMult(cubic, self.rows))
        return context.EvalAdd(self.settled(self.fold(scores, self.over_hidden)), self.last_offset)

    def by_steps(self) -> Any:
        """The first product, before its fold: hoisted baby steps, giant steps that share one division at the end."""
        context, (x,) = self.context, self.inputs
        digits = context.EvalFastRotationPrecompute(x)
        turned = [x, *(context.EvalFastRotation(x, step, digits) for step in range(1, self.baby))]
        inner = [self.weighted(turned, self.diagonals[i : i + self.baby]) for i in range(0, 32, self.baby)]
        total = None
        for giant, term in enumerate(inner[1:], 1):
            digits = context.EvalFastRotationPrecompute(term)
            step = context.EvalFastRotationExt(term, giant * self.baby, digits, True)
            if total is None:
                total = step
            else:
                context.EvalAddInPlaceNoCheck(total, step)
        return context.EvalAdd(inner[0], context.KeySwitchDown(total))

    def unpack(self, slots: Floats) -> Floats:
        return slots[128:1408:128] / self.gain


class Chebyshev(Circuit):
    """Σ cᵢTᵢ(x/8) on every slot, by OpenFHE's own method: Paterson and Stockmeyer's from degree 5 on."""

    def __init__(
        self, coefficients: list[float], ring_degree: int, scale_bits: int, technique: str = "FIXEDMANUAL"
    ) -> None:
        # OpenFHE halves the first coefficient, and asks for a level too few below degree 5
        self.coefficients = [2 * float(coefficients[0]), *map(float, coefficients[1:])]
        depth = openfhe.GetMultiplicativeDepthByCoeffVector(self.coefficients, False) + (len(coefficients) < 6)
        self.settings = Settings(ring_degree, depth, min(scale_bits + 10, 60), scale_bits, frozenset(), technique)

    def pack(self, x: ArrayLike) -> list[Floats]:
        return [np.asarray(x, dtype=np.float64)]

    def evaluate(self) -> Any:
        return self.context.EvalChebyshevSeries(self.inputs[0], self.coefficients, -8, 8)

    def unpack(self, slots: Floats) -> Floats:
        return slots


def padded(values: Floats, width: int) -> Floats:
    """Zeros after the last axis' values, up to `width`."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, width - values.shape[-1])])


CIRCUITS = {each.__name__: each for each in (LogisticRegression, Perceptron, Chebyshev)}


def main() -> None:
    """Answer requests (what, arguments) on standard input until it closes."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else gets between the replies
    circuit: Any = None
    client: Any = None
    answer: Any = None
    while True:
        request = receive(sys.stdin.buffer)
        if request is None:
            return
        what, arguments = request
        reply: Any = None
        if what == "circuit":
            circuit = CIRCUITS[arguments[0]](*arguments[1:])
        elif what == "client":
            client = Client(circuit.settings)
            circuit.attach(client.context)
            reply = client.message(circuit.pack(*arguments))
        elif what == "load":
            circuit.load(*arguments)
        elif what == "run":
            start = process_time()
            answer = circuit.evaluate()
            reply = process_time() - start
        elif what == "answer":
            reply = openfhe.Serialize(answer, BINARY)
        elif what == "level":
            reply = (circuit.inputs[0].GetLevel(), answer.GetLevel() + answer.GetNoiseScaleDeg() - 1)
        elif what == "unpack":
            reply = circuit.unpack(client.decrypt(*arguments))
        elif what == "peak":
            reply = peak()
        send(replies, reply)


if __name__ == "__main__":
    main()
