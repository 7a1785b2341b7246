"""A pool on a Ray cluster: what a server answers, whatever becomes of the actors."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray")

import ray_doubles  # noqa: E402
from click.testing import CliRunner  # noqa: E402

import fhenn  # noqa: E402
from fhenn.artifacts import model_to_bytes, plan_to_bytes  # noqa: E402
from fhenn.cli import cli  # noqa: E402
from fhenn.errors import (  # noqa: E402
    ClusterUnreachable,
    ExtraMissing,
    ParameterError,
    PartRefused,
    PlanError,
    PoolClosed,
    PoolFailed,
    VersionsDiffer,
    WireFormatError,
    WrongKind,
)
from fhenn.pool import RayPool, cluster  # noqa: E402
from fhenn.pool.actors import Actors, _Actor  # noqa: E402
from fhenn.session import Server, join  # noqa: E402
from fhenn.session.refusal import Refusal  # noqa: E402

FEATURES, ROWS = 4, 11


class Sides:
    """A client that sends parts of one sample each, and a server."""

    def __init__(self, evaluator):
        rng = np.random.default_rng(6)
        self.model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, FEATURES)) / FEATURES), fhenn.Sigmoid()])
        self.plan = fhenn.plan(self.model, bounds=[-1, 1], evaluator=evaluator, layout="latency", witness=True)
        self.client = fhenn.Client(self.plan)
        self.x = rng.uniform(-1, 1, (ROWS, FEATURES))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("fhenn.session.encryption._PART", 1)
            self.parts = list(self.client.encrypt_stream(self.x))
        self.keys = self.client.evaluation_keys()
        self.answers = list(Server(self.model, self.plan, self.keys).predict_stream(self.parts))

    def pool(self, workers=2, **options):
        return RayPool(self.model, self.plan, self.keys, workers=workers, **options)


@pytest.fixture(scope="module")
def sides(evaluator):
    return Sides(evaluator)


@pytest.fixture(scope="module", autouse=True)
def entered(tmp_path_factory):
    """One cluster for all tests here, which this process has entered; its workers find `ray_doubles`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(Path(ray_doubles.__file__).parent), *sys.path]))
        patched.setenv(ray_doubles.TRIES, str(tmp_path_factory.mktemp("tries") / "tries"))
        ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
        yield
        ray.shutdown()


@pytest.fixture
def acting(monkeypatch):
    """Have other actors than the pool's own."""
    return lambda kind: monkeypatch.setattr("fhenn.pool.actors.Evaluator", kind)


def test_answers_are_those_of_one_process(sides):
    with sides.pool() as pool:
        assert list(pool.predict_stream(sides.parts)) == sides.answers
        assert pool.predict(sides.parts[0]) == sides.answers[0]
        assert (pool.plan, pool.workers) == (sides.plan, 2)
        assert "2" in repr(pool)
        assert "Ray" in repr(pool)


def test_threads_share_an_actor_on_the_native_evaluator_only(sides, evaluator):
    with sides.pool(3) as pool:
        wait_for = threading.Event()
        for _ in range(100):
            if sum(each.threads for each in pool._engine._ready) == 3:
                break
            wait_for.wait(0.1)
        assert sorted(each.threads for each in pool._engine._ready) == ([3] if evaluator == "native" else [1, 1, 1])


def test_workers_may_be_more_than_one_actor_has_threads(sides, monkeypatch):
    monkeypatch.setattr("fhenn.pool.ray._MOST_THREADS", 2)
    with sides.pool(3) as pool:
        assert list(pool.predict_stream(sides.parts)) == sides.answers


def test_without_the_range_check_there_is_no_witness(sides):
    with sides.pool() as pool:
        assert len(pool.predict(sides.parts[0], range_check=False)) < len(sides.answers[0])


def test_a_part_that_crashes_is_refused_and_the_others_are_answered(sides, acting):
    acting(ray_doubles.Crashing)
    file = Path(os.environ[ray_doubles.TRIES])
    file.unlink(missing_ok=True)
    with sides.pool(4) as pool:
        answers = list(pool.predict_stream(sides.parts))
        lines = map(str.split, file.read_text().splitlines())
        tries = [(int(part), actor, float(start)) for part, actor, start in lines]
        (_, first), *alone = [(actor, start) for part, actor, start in tries if part == ray_doubles.DEADLY]
        assert len(alone) == 2
        others = [(actor, start) for part, actor, start in tries if part != ray_doubles.DEADLY]
        assert any(start > first for _, start in others)  # or it would be alone anyway
        for deadly, when in alone:  # others may be computed elsewhere meanwhile
            assert not any(actor == deadly and abs(start - when) < ray_doubles.SECONDS for actor, start in others)
        refusal = Refusal.from_bytes(answers[ray_doubles.DEADLY])
        assert (refusal.binding.part, refusal.reason) == (ray_doubles.DEADLY, "3 workers died of it")
        others = [place for place in range(ROWS) if place != ray_doubles.DEADLY]
        assert [answers[place] for place in others] == [sides.answers[place] for place in others]
        with pytest.raises(PartRefused, match="part 3, 1 samples: 3 workers died"):
            pool.predict(sides.parts[ray_doubles.DEADLY])
        results = list(sides.client.decrypt_stream(iter(answers), on_violation="mask"))
        assert len(results) == ROWS


def test_an_actor_that_is_killed_is_replaced(sides):
    with sides.pool() as pool:
        stream = pool.predict_stream(sides.parts)
        answers = [next(stream)]
        for actor in list(pool._engine._ready):
            ray.kill(actor.handle)
        assert answers + list(stream) == sides.answers


def test_actors_that_die_while_they_load_are_told(sides, acting, monkeypatch):
    monkeypatch.setattr("fhenn.pool.actors._PAUSE", 0.0)
    acting(ray_doubles.Unready)
    with pytest.raises(PoolFailed, match="actors end while they start"):
        sides.pool()


def test_a_defect_is_told(sides, acting):
    acting(ray_doubles.Defective)
    with sides.pool() as pool, pytest.raises(PoolFailed, match="LookupError"):
        pool.predict(sides.parts[0])


def test_too_few_free_cpus_are_told(sides, monkeypatch):
    with sides.pool(4):
        monkeypatch.setattr("fhenn.pool.actors._START", 1.0)
        with pytest.raises(PoolFailed, match="no actor has started within 1 s"):
            sides.pool(4)


def test_another_version_of_fhenn_is_told(sides, monkeypatch):
    monkeypatch.setattr(fhenn, "__version__", "99.9")
    with pytest.raises(VersionsDiffer, match=r"has fhenn 0[.\d]+, this process has fhenn 99\.9"):
        sides.pool()


def test_another_evaluator_there_is_told(sides, monkeypatch):
    monkeypatch.setattr("fhenn.pool.ray.runs_on", lambda name: "another")
    with pytest.raises(VersionsDiffer, match="the evaluator another"):
        sides.pool()


def test_a_node_without_fhenn_is_told(sides, acting, monkeypatch):
    gone = types.ModuleType("gone")
    gone.__spec__ = ModuleSpec("gone", None)
    gone.Evaluator = type("Evaluator", (), {"__module__": "gone", "load": lambda self, *arguments: {}})
    monkeypatch.setitem(sys.modules, "gone", gone)
    acting(gone.Evaluator)
    with pytest.raises(VersionsDiffer, match=r"no such fhenn .*No module named 'gone'"):
        sides.pool()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda parts: parts[:4], WireFormatError, "stops after 4 parts"),
        (lambda parts: parts[:2] + parts[3:], WireFormatError, "part 3 comes where part 2 is due"),
        (lambda parts: parts[:2] + parts[1:], WireFormatError, "part 1 comes where part 2 is due"),
        (lambda parts: [parts[0], parts[1][:-9], *parts[2:]], WireFormatError, "holds"),
    ],
    ids=["cut off", "missing", "repeated", "truncated"],
)
def test_what_a_server_refuses_is_refused(sides, change, error, words):
    with sides.pool() as pool:
        with pytest.raises(error, match=words):
            list(pool.predict_stream(change(sides.parts)))
        assert pool.predict(sides.parts[0]) == sides.answers[0]  # nothing is left of that


def test_errors_of_the_actors_come_whole(sides):
    stranger = fhenn.Client(sides.plan)
    with sides.pool() as pool, pytest.raises(fhenn.errors.ContextMismatch) as caught:
        pool.predict(stranger.encrypt(sides.x[:1]))
    assert caught.value.got == stranger.fingerprint


def test_no_secret_key_gets_to_a_cluster(sides, monkeypatch):
    monkeypatch.setattr(Actors, "__init__", lambda *arguments: pytest.fail("it went there"))
    with pytest.raises(WrongKind, match="secret key"):
        RayPool(sides.model, sides.plan, sides.client.secret_bytes(), workers=1)
    with pytest.raises(PlanError):
        RayPool(sides.model, fhenn.plan(sides.model, bounds=[-2, 2], layout="throughput"), sides.keys, workers=1)


def test_a_closed_pool_leaves_no_actor_and_says_so(sides):
    pool = sides.pool()
    handles = [actor.handle for actor in pool._engine._ready]
    pool.close()
    pool.close()
    for handle in handles:
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(handle.predict.remote(sides.parts[0], True), timeout=30)
    with pytest.raises(PoolClosed):
        pool.predict(sides.parts[0])
    assert not any(each.name == "fhenn-ray" for each in threading.enumerate())
    assert ray.is_initialized()  # the test has entered it, not the pool


def test_pools_share_what_this_process_has_entered(sides):
    with sides.pool(1) as one, sides.pool(1) as other:
        assert one.predict(sides.parts[0]) == other.predict(sides.parts[0])


def test_commands_compute_on_a_cluster(sides, tmp_path):
    (tmp_path / "uploads").mkdir()
    files = {"model": model_to_bytes(sides.model), "plan": plan_to_bytes(sides.plan), "keys": sides.keys}
    for name, data in (files | {"uploads/one": join(sides.parts)}).items():
        (tmp_path / f"{name}.fhenn").write_bytes(data)
    options = [word for name in files for word in (f"--{name}", str(tmp_path / f"{name}.fhenn"))]
    options += ["--ray", "auto", "--workers", "2"]
    for words in (["evaluate", "uploads/one.fhenn", "-o", "one.fhenn"], ["batch", "uploads", "-o", "."]):
        paths = [words[0], *(str(tmp_path / word) if not word.startswith("-") else word for word in words[1:])]
        result = CliRunner().invoke(cli, [*paths, *options])
        assert result.exit_code == 0, result.output
        assert (tmp_path / "one.fhenn").read_bytes() == join(sides.answers)
        (tmp_path / "one.fhenn").unlink()


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_a_number_of_workers_that_is_none_is_refused(sides, workers):
    with pytest.raises(ParameterError, match="number of workers"):
        sides.pool(workers)


@pytest.mark.parametrize(
    "address", ["nowhere", "127.0.0.1:9", "127.0.0.1:port", "nosuch.invalid:6379", "ray://127.0.0.1:9"]
)
def test_a_cluster_that_is_not_there_is_told_at_once(address):
    with pytest.raises(ClusterUnreachable, match="HOST:PORT"):
        cluster._probe(address)


def test_what_is_no_cluster_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "_PROBE", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ClusterUnreachable, match="within 3 s"):
        cluster._probe(f"127.0.0.1:{listener.getsockname()[1]}")


def test_a_missing_ray_names_the_extra(sides, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraMissing, match="the extra ray brings it"):
        sides.pool()


ALONE = """
import numpy as np, fhenn, signal, sys
before = signal.getsignal(signal.SIGTERM)
model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
plan = fhenn.plan(model, bounds=[-1, 1])
client = fhenn.Client(plan)
pool = fhenn.RayPool(model, plan, client.evaluation_keys(), "local", workers=1)
print(client.decrypt(pool.predict(client.encrypt([[0.75, 0.5]]))).round(3).item())
assert signal.getsignal(signal.SIGTERM) is before
import ray
if sys.argv[1] == "close":
    pool.close()
    assert not ray.is_initialized()
"""


@pytest.mark.parametrize("end", ["close", "leave it to the end"])
def test_a_cluster_of_its_own_is_quiet_and_ends_with_the_pool(end):
    run = subprocess.run([sys.executable, "-c", ALONE, end], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "0.25\n", "")


def test_a_part_that_is_to_be_alone_waits_for_an_idle_actor_and_has_it_for_itself():
    actors = object.__new__(Actors)
    busy = _Actor(None, 1)
    actors._ready, actors._reserved, actors._suspects, actors._waiters, actors._failure = [busy], None, 0, [], None

    async def story():
        actors._loop = asyncio.get_running_loop()
        alone, later = actors._room(True), actors._room(True)
        async with actors._room(False), actors._room(False):
            suspect = asyncio.ensure_future(alone.__aenter__())
            await asyncio.sleep(0)
            assert not suspect.done()
            assert actors._find(False) is None
        assert actors._find(False) is None  # the actor is reserved
        assert await suspect is busy
        assert actors._find(False) is None  # and taken whole
        waiting = asyncio.ensure_future(later.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await alone.__aexit__(None, None, None)
        assert actors._find(False) is busy  # nobody waits for it any more

    asyncio.run(story())
