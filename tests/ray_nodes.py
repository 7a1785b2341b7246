"""Ray nodes in network namespaces: machines of their own, as far as Ray can tell, each of which can be lost."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

RAY = str(Path(sys.executable).with_name("ray"))
PORT = 6379


def ip(*words):
    return subprocess.run([shutil.which("ip"), *words], capture_output=True, text=True, check=True).stdout


def refusal():
    """Why there can be no namespaces here; empty where there can."""
    if shutil.which("ip") is None:
        return "there is no iproute2"
    try:
        ip("netns", "add", f"fhenn-try-{os.getpid()}")
    except subprocess.CalledProcessError as error:
        return error.stderr
    ip("netns", "del", f"fhenn-try-{os.getpid()}")
    return ""


class Nodes:
    """Two nodes with a CPU each and a line between them; the first is the head.

    path: entries of PYTHONPATH for what runs on them.
    """

    def __init__(self, path=()):
        self._names = [f"fhenn-{os.getpid()}-{place}" for place in (1, 2)]
        self.environment = os.environ | {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "PYTHONPATH": os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
        }
        self.addresses = ["10.77.7.1", "10.77.7.2"]
        self.address = f"{self.addresses[0]}:{PORT}"
        self._stack = ExitStack()

    def __enter__(self):
        with self._stack as stack:
            # sockets are in there, whose paths are short
            self._folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fhn", ignore_cleanup_errors=True))
            for name in self._names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "del", name)
            ip(
                "link",
                "add",
                "line",
                "netns",
                self._names[0],
                "type",
                "veth",
                "peer",
                "name",
                "line",
                "netns",
                self._names[1],
            )
            for name, address in zip(self._names, self.addresses, strict=True):
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "line")
                ip("-n", name, "link", "set", "line", "up")
                ip("-n", name, "link", "set", "lo", "up")
                stack.callback(self.lose, self._names.index(name))
            self.start(0)
            self.start(1)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def start(self, place):
        """Start a node, in a place where none is."""
        role = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        self.run(
            place,
            RAY, "start", *(role if place == 0 else [f"--address={self.address}"]),
            f"--node-ip-address={self.addresses[place]}", "--num-cpus=1", "--object-store-memory=200000000",
        )  # fmt: skip

    def lose(self, place):
        """Kill all that runs on a node, at once."""
        for _ in range(3):
            found = ip("netns", "pids", self._names[place]).split()
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            if not found:
                return

    def _inside(self, place):
        """The start of a command line that runs the rest of it on a node."""
        return [shutil.which("ip"), "netns", "exec", self._names[place]]

    def popen(self, place, *words, **options):
        """Start a program on a node."""
        return subprocess.Popen([*self._inside(place), *words], env=self.environment, **options)

    def run(self, place, *words):
        """Run a program on a node. Raises AssertionError where it fails."""
        run = subprocess.run(
            [*self._inside(place), *words],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout
