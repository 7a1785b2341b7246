"""A contestant in OpenFHE: a client and a server process, under whichever Python has OpenFHE."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from messages import receive, send
from numpy.typing import ArrayLike, NDArray

CIRCUITS = Path(__file__).with_name("openfhe_circuits.py")


@cache
def installed() -> tuple[str, str] | None:
    """A Python that has OpenFHE, OPENFHE_PYTHON or else this one, and OpenFHE's version; None where it has not."""
    python = os.environ.get("OPENFHE_PYTHON", sys.executable)
    command = [python, "-c", "import openfhe; print(openfhe.__version__)"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return (python, ".".join(found.stdout.split(".")[:3]).strip()) if found.returncode == 0 else None


def version_here() -> str | None:
    """OpenFHE's version, None where no Python has it."""
    found = installed()
    return found[1] if found else None


class Process:
    """One process of `openfhe_circuits`."""

    def __init__(self, circuit: tuple[Any, ...]) -> None:
        found = installed()
        assert found is not None, "OpenFHE is not installed"
        self._child = subprocess.Popen([found[0], str(CIRCUITS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("circuit", *circuit)

    def ask(self, what: str, *arguments: Any) -> Any:
        """The reply to a request."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        send(self._child.stdin, [what, arguments])
        return receive(self._child.stdout)

    def close(self) -> None:
        self._child.communicate()


class Contestant:
    """A circuit of `openfhe_circuits` with its arguments, on inputs x: keys and ciphertexts are made and loaded."""

    def __init__(self, circuit: str, *arguments: Any, x: ArrayLike) -> None:
        self._client, self._server = (Process((circuit, *arguments)) for _ in range(2))
        message = self._client.ask("client", x)
        self.key_bytes = len(message["products"]) + len(message["rotations"])
        self.upload_bytes = sum(map(len, message["ciphertexts"]))
        self._server.ask("load", message)

    def run(self) -> float:
        """Seconds of CPU that the server takes for one evaluation."""
        return self._server.ask("run")

    def scores(self) -> NDArray[np.float64]:
        """The last answer, decrypted."""
        return self._client.ask("unpack", self._server.ask("answer"))

    def levels(self) -> int:
        """Levels that the last evaluation consumed, a rescale still owed included."""
        before, after = self._server.ask("level")
        return after - before

    def peak(self) -> float:
        """The server process's peak resident memory so far, GB."""
        return self._server.ask("peak")

    def close(self) -> None:
        self._client.close()
        self._server.close()


def chebyshev(
    coefficients: list[float],
    x: ArrayLike,
    *,
    ring_degree: int = 16384,
    scale_bits: int = 45,
    technique: str = "FIXEDMANUAL",
) -> Contestant:
    """Σ cᵢTᵢ(x/8), the series of `numpy.polynomial.chebyshev` on [-8, 8], on x, of a length of ring_degree/2."""
    return Contestant("Chebyshev", [*map(float, coefficients)], ring_degree, scale_bits, technique, x=x)
