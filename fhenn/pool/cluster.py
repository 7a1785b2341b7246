"""A Ray cluster: how it is found and entered, and left when the last pool on it has been closed."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from fhenn.errors import ClusterUnreachable, ExtraMissing, FhennError, ParameterError, PoolFailed, VersionsDiffer

_CONNECT = 3.0
"""Seconds that a port may take to accept a connection."""
_PROBE = 15.0
"""Seconds that a first process may take to enter the cluster and leave it."""
_OBJECTS = 1 << 30
"""Bytes of shared memory for parts, keys and models, where Ray is started for this process alone."""

_HERE, _NEW = "auto", "local"
"""Ray's words for the cluster that this machine is part of, and for one that is started."""
_PROBING = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='CRITICAL')"

LOOK = "The logs of the cluster say more, in the folder of its session on each node."

_lock = threading.Lock()
_users = 0
_entered: str | None = None
"""The address by which Ray was entered for pools; None where no pool is open, or someone else entered it."""


def ray_module() -> Any:
    """Ray. Raises ExtraMissing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ExtraMissing("ray", "ray") from error
    if ray.__file__ is None:  # a folder of that name, which Python takes for a package
        raise ExtraMissing("ray", "ray")
    return ray


class Cluster:
    """A Ray cluster that this process has entered.

    address: of the head, HOST:PORT, "auto" for the cluster that this machine is part of, "ray://HOST:PORT" for one
        that this machine is no part of. None for what RAY_ADDRESS names, else the cluster of this machine, else one
        that is started for this process, on this machine alone.
    cores: how many tasks a cluster that is started runs at once.

    Where this process has entered Ray already, by `ray.init`, that cluster is used, and not left by `close`.

    Raises ExtraMissing, ClusterUnreachable within seconds, ParameterError where pools of this process use another
    cluster.
    """

    def __init__(self, address: str | None, cores: int) -> None:
        global _users, _entered  # noqa: PLW0603  (Ray has one cluster a process, and pools share it)
        self.ray = ray_module()
        self._open = True
        with _lock:
            if not self.ray.is_initialized():
                _users, _entered = 0, _enter(self.ray, address, cores)
            elif _entered is not None and address not in (None, _entered):
                raise ParameterError(
                    f"this process is on the Ray cluster {_entered} already, and cannot be on {address} too.",
                    "Close the pools there first.",
                )
            _users += 1

    @property
    def cores(self) -> list[int]:
        """CPUs of each node that has any."""
        nodes = [int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"]]
        return [each for each in nodes if each]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, where no other pool of this process is on it."""
        global _users, _entered  # noqa: PLW0603
        with _lock:
            if not self._open:
                return
            self._open = False
            _users -= 1
            if not _users and _entered is not None:
                _entered = None
                self.ray.shutdown()


def unready(error: Any, here: str) -> FhennError:
    """Why actors do not become ready, where one has ended before: there is no such code on its node, or another reason.

    error: Ray's.
    here: what this process has, in words.
    """
    if error.actor_init_failed:  # it cannot even be imported there
        cause = str(error).strip().rpartition("\n")[2]
        return VersionsDiffer("a node of the cluster", f"no such fhenn ({cause})", here)
    return PoolFailed("actors end while they start.", LOOK)


def _enter(ray: Any, address: str | None, cores: int) -> str:
    """Enter a cluster. Returns the address by which it was found. Raises ClusterUnreachable."""
    chosen = address or os.environ.get("RAY_ADDRESS") or _HERE
    if chosen != _NEW:
        try:
            _probe(chosen)
        except ClusterUnreachable:
            if address or "RAY_ADDRESS" in os.environ:
                raise
            chosen = _NEW  # this machine is part of no cluster
    options = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _OBJECTS} if chosen == _NEW else {}
    with _quiet():
        try:
            ray.init(chosen, log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # Ray raises that very class too
            raise ClusterUnreachable(chosen, str(error)) from error
    return chosen


def _probe(address: str) -> None:
    """Raise ClusterUnreachable where a cluster cannot be entered.

    Where something else answers, or nothing does, Ray itself would try for minutes and end the process. So another
    process tries first, which can be ended.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != _HERE:
        if not host or not port.isdecimal():
            raise ClusterUnreachable(address, "an address is HOST:PORT or ray://HOST:PORT")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
        except (OSError, OverflowError) as error:
            raise ClusterUnreachable(address, str(error)) from error
    try:
        run = subprocess.run(  # noqa: S603  (this interpreter)
            [sys.executable, "-c", _PROBING, address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterUnreachable(address, f"nothing that is a Ray cluster answered within {_PROBE:g} s") from error
    if run.returncode:
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        raise ClusterUnreachable(address, lines[-1] if lines else f"exit code {run.returncode}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Enter Ray without what it does to the process beside: a handler for SIGTERM, and lines on standard output.

    It prints there each process that ends anywhere in the cluster, where results may go; no option stops that.
    """
    worker: Any = importlib.import_module("ray._private.worker")
    listen = getattr(worker, "listen_error_messages", None)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if main else None
    try:
        if listen is not None:
            worker.listen_error_messages = lambda *arguments, **options: None
        yield
    finally:
        if listen is not None:
            worker.listen_error_messages = listen
        if main and handler is not None:
            signal.signal(signal.SIGTERM, handler)
