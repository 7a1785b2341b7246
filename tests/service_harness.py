"""A real service in a process of its own, on loopback, and what tests need around it."""

from __future__ import annotations

import datetime
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from troubled_worker import trouble

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.service.store import Store
from fhenn.service.tokens import Tokens

FEATURES = 8
ON_RAY = "FHENN_TEST_CLUSTER" in os.environ
"""Whether services have their workers on a Ray cluster: its address is in this variable, and "local" begins one."""
TLS = ssl.create_default_context()
"""Each client would read the system's certificates anew, which takes longer than most of what is tested."""
_MAIN = """
if __name__ == "__main__":  # the workers import this file, and need nothing of what follows
    import os
    import sys
    from pathlib import Path
    from fhenn.service.limits import Limits
    from fhenn.service.serving import serve
    limits, options = Limits(**eval(sys.argv[3])), dict(zip(("certificate", "key"), map(Path, sys.argv[4:])))
    if address := os.environ.get("FHENN_TEST_CLUSTER"):
        from fhenn.pool.cluster import Cluster
        options["cluster"] = Cluster(address, limits.workers)
    serve(
        Path(sys.argv[1]), port=int(sys.argv[2]), limits=limits, on_start=lambda url: print(url, flush=True), **options
    )
"""


def model() -> fhenn.Sequential:
    """A logistic regression that the client finishes: the smallest ring, a few milliseconds."""
    weight = np.random.default_rng(3).normal(size=(1, FEATURES)) / FEATURES
    return fhenn.Sequential([fhenn.Linear(weight, [0.1])], finish="sigmoid")


MODEL = model()
PLAN = fhenn.plan(MODEL, bounds=[-1, 1])
NEXT = fhenn.Sequential([fhenn.Linear(np.ones((1, FEATURES)) / FEATURES, [-0.1])], finish="sigmoid")
NEXT_PLAN = fhenn.plan(NEXT, bounds=[-1, 1])
"""The next version of the same model: keys for one serve the other."""
ONE = model_to_bytes(MODEL), plan_to_bytes(PLAN)
TWO = model_to_bytes(NEXT), plan_to_bytes(NEXT_PLAN)


def samples(rng: np.random.Generator, count: int = 1) -> np.ndarray:
    return rng.uniform(-1, 1, (count, FEATURES))


def right(client: fhenn.Client, answer: bytes, x: np.ndarray) -> bool:
    """Whether an answer is the twin's, within the plan's error."""
    return bool(np.abs(client.decrypt(answer) - MODEL.predict(x)).max() <= PLAN.error)


def stored(folder: Path) -> Path:
    """A store with the model."""
    store = Store(folder)
    store.models.add("cancer", model_to_bytes(MODEL), plan_to_bytes(PLAN))
    store.close()
    return folder


_TROUBLED = """
import os, sys
sys.path.insert(0, {tests!r})
import fhenn.service.service, troubled_worker
fhenn.service.service.log_as_json = troubled_worker.prepare
os.environ |= {environment!r}
"""


def troubled(folder: Path, part: int, how: str) -> str:
    """A prelude by which workers meet trouble at a part of a stream (`troubled_worker.trouble`)."""
    return _TROUBLED.format(tests=str(Path(__file__).parent), environment=trouble(folder, part, how=how))


def tls_of(folder: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """Files of a certificate for loopback and its key, and how to check it."""
    from cryptography import x509  # noqa: PLC0415  (few need it)
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=True).sign(key, hashes.SHA256())
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(*form))
    return *files, ssl.create_default_context(cafile=files[0])


@dataclass
class Running:
    """A service that runs: start it with `with`.

    tls: files of a certificate and its key, and how clients check it; without, it speaks plain HTTP.
    prelude: code that the service runs first.
    """

    folder: Path
    limits: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    before: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    url: str = ""
    tls: tuple[Path, Path, ssl.SSLContext] | None = None
    prelude: str = ""

    @property
    def verify(self) -> ssl.SSLContext:
        """How clients check its certificate."""
        return self.tls[2] if self.tls else TLS

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + ".log")

    def __enter__(self) -> Running:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        main = self.folder.with_name("serve_for_tests.py")
        main.write_text(self.prelude + _MAIN)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    *self.before,
                    *(sys.executable, str(main), str(self.folder), str(self.port), repr(self.limits)),
                    *map(str, self.tls[:2] if self.tls else ()),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith(f"http{'s' * bool(self.tls)}://127.0.0.1:"), self.log.read_text()[-2000:]
        self.port = int(self.url.rpartition(":")[2])  # the same after a restart
        self.await_ready()

    def await_ready(self, seconds: float = 60.0) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{self.url}/health/ready", verify=self.verify).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, seconds)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def pid(self) -> int:
        """Of the server itself, below what it was started by."""
        pid = self.process.pid
        while self.before and (children := children_of(pid)) and "serve_for_tests" not in command_of(pid):
            pid = children[0]
        return pid

    def workers(self) -> list[int]:
        found = descendants_of(self.pid()) if ON_RAY else children_of(self.pid())
        return [pid for pid in found if "fhenn-worker" in command_of(pid)]

    def metric(self, name: str) -> float:
        for line in httpx.get(f"{self.url}/metrics", verify=TLS).text.splitlines():
            if line.startswith(name):
                return float(line.rpartition(" ")[2])
        return 0.0

    def token(self, owner: str, days: float = 1.0) -> str:
        return Tokens(self.folder / "tokens").create(owner, days)[0]

    def remote(self, owner: str = "hospital", keys: bytes | None = None, **options: Any) -> fhenn.RemoteServer:
        return fhenn.RemoteServer(self.url, self.token(owner), keys, **{"verify": TLS} | options)

    def http(self, owner: str = "hospital", token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token or self.token(owner)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=TLS)


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    try:
        texts = [(task / "children").read_text() for task in tasks.iterdir()]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]


def descendants_of(pid: int) -> list[int]:
    return [each for child in children_of(pid) for each in (child, *descendants_of(child))]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) << 10
    return 0


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def wait_for(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


class Bystander:
    """Somebody else, who predicts all the while, and whose answers must be right."""

    def __init__(self, running: Running, pause: float = 0.05) -> None:
        self._client = fhenn.Client(PLAN)
        self._remote = running.remote("bystander", self._client.evaluation_keys(), model="cancer")
        self._pause, self._stop, self._thread = pause, threading.Event(), threading.Thread(target=self._run)
        self.answers, self.wrong, self.errors, self.slowest = 0, 0, [], 0.0
        self.seconds: list[float] = []

    def _run(self) -> None:
        rng = np.random.default_rng(11)
        while not self._stop.is_set():
            x = samples(rng)
            try:
                start = time.perf_counter()
                answer = self._remote.predict(self._client.encrypt(x))
                self.seconds.append(time.perf_counter() - start)
                self.slowest = max(self.seconds)
                self.wrong += not right(self._client, answer, x)
                self.answers += 1
            except Exception as error:
                self.errors.append(error)
            self._stop.wait(self._pause)

    def __enter__(self) -> Bystander:
        self._remote.upload()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._remote.close()

    def require_well(self, answers: int = 1) -> None:
        assert not self.errors, self.errors[:3]
        assert self.wrong == 0
        assert self.answers >= answers
