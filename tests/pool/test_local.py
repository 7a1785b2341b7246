"""A pool on the cores of this machine: what a server answers, whatever becomes of its workers."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import troubled_worker
from service_harness import children_of, command_of, kill, wait_for
from support import seal_of

import fhenn
from fhenn.errors import (
    AnswerMismatch,
    ContextMismatch,
    FhennError,
    ParameterError,
    PartRefused,
    PlanError,
    PoolClosed,
    PoolFailed,
    WireFormatError,
)
from fhenn.pool.local import LocalPool
from fhenn.session import Server, join
from fhenn.session.refusal import Refusal
from fhenn.wire import frame, kind_of

FEATURES, ROWS = 4, 11


@dataclass
class Sides:
    """A client that sends parts of one sample each, and a server."""

    model: fhenn.Sequential
    plan: fhenn.Plan
    client: fhenn.Client
    keys: bytes
    server: Server
    x: np.ndarray
    parts: list[bytes]

    def pool(self, workers=2):
        return LocalPool(self.model, self.plan, self.keys, workers=workers)

    def right(self, answers):
        """Whether answers are the twin's."""
        found = np.concatenate(list(self.client.decrypt_stream(answers)))
        return found.shape == (ROWS, 1) and np.abs(found - self.model.predict(self.x)).max() <= self.plan.error


def made(evaluator):
    rng = np.random.default_rng(6)
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, FEATURES)) / FEATURES), fhenn.Square(domain=(-2, 2))])
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator, layout="latency", witness=True)
    client = fhenn.Client(plan)
    x = rng.uniform(-1, 1, (ROWS, FEATURES))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fhenn.session.encryption._PART", 1)
        parts = list(client.encrypt_stream(x))
    keys = client.evaluation_keys()
    return Sides(model, plan, client, keys, Server(model, plan, keys), x, parts)


@pytest.fixture(scope="module")
def sides(evaluator):
    return made(evaluator)


@pytest.fixture(scope="module")
def on_seal():
    """For what is about processes."""
    return made("seal")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """After each test, no process of a worker is there, and no folder of a pool."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())
    wait_for(lambda: not processes(), 5)


def processes():
    return [pid for pid in children_of(os.getpid()) if "fhenn-worker" in command_of(pid)]


@pytest.fixture
def in_trouble(monkeypatch, tmp_path):
    """Processes of a pool that will meet trouble."""

    def set_up(*arguments, **options):
        monkeypatch.setattr("fhenn.pool.local._be_quiet", troubled_worker.prepare)
        for name, value in troubled_worker.trouble(tmp_path, *arguments, **options).items():
            monkeypatch.setenv(name, value)

    return set_up


def test_answers_are_those_of_a_server_to_the_byte(sides):
    expected = list(sides.server.predict_stream(sides.parts))
    without = list(sides.server.predict_stream(sides.parts, range_check=False))
    assert len(expected) == ROWS + 1
    with sides.pool() as pool:
        for parts in (sides.parts, iter(sides.parts), join(sides.parts)):
            assert list(pool.predict_stream(parts)) == expected
        assert list(pool.predict_stream(sides.parts, range_check=False)) == without
        assert pool.predict(sides.parts[3]) == expected[3]
        assert pool.predict(bytearray(sides.parts[3]), range_check=False) == without[3]
    assert sides.right(expected)


def test_processes_answer_as_a_server_does(on_seal):
    """Quickly: the test above takes all ways on SEAL too, where it is asked for."""
    with on_seal.pool() as pool:
        assert len(processes()) >= 1
        answers = list(pool.predict_stream(on_seal.parts))
    assert answers == list(on_seal.server.predict_stream(on_seal.parts))
    assert on_seal.right(answers)


def bad_uploads(sides):
    other = made(sides.plan.evaluator)  # other keys
    model = fhenn.Sequential([fhenn.Linear(np.ones((1, FEATURES)) / 8), fhenn.Square(domain=(-2, 2))])
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=sides.plan.evaluator, layout="latency", witness=True)
    of_another_plan = fhenn.Client.from_secret_bytes(plan, sides.client.secret_bytes()).encrypt(sides.x[:1])
    good = sides.parts[0]
    answer = sides.server.predict(good)
    broken = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    return [
        b"",
        b"nonsense",
        good[:40],
        good[:-1],
        good + b"x",
        broken,
        answer,
        other.parts[0],
        of_another_plan,
        "text",
    ]


def error_of(act):
    try:
        act()
    except FhennError as error:
        return type(error), error.args, str(error)
    return None


def test_errors_are_those_of_a_server(sides):
    uploads = bad_uploads(sides)
    expected = [error_of(lambda upload=upload: sides.server.predict(upload)) for upload in uploads]
    assert {ContextMismatch, PlanError, WireFormatError} < {kind for kind, *_ in expected}
    with sides.pool(1) as pool:
        assert [error_of(lambda upload=upload: pool.predict(upload)) for upload in uploads] == expected
        assert sides.right(pool.predict_stream(sides.parts))


def bad_streams(sides):
    good, others = sides.parts, made(sides.plan.evaluator).parts
    again = sides.client.encrypt_stream(sides.x)  # another stream under the same keys
    first, *_ = list(again)
    return {
        "nothing": [],
        "missing": [*good[:3], *good[4:]],
        "twice": [*good[:4], *good[3:]],
        "in another order": [*good[:3], good[4], good[3], *good[5:]],
        "no end": good[:-1],
        "the end is another's": [*good[:-1], others[-1]],
        "goes on": [*good, good[0]],
        "mixed with other keys": [*good[:3], others[3], *good[4:]],
        "starts with another stream": [first, *good[1:]],
        "cut off": join(good)[:-20],
        "cut off in a part": join(good)[: -len(good[-1]) - 9],
    }


def answers_and_error(server, parts):
    answers = []

    def take():
        answers.extend(server.predict_stream(parts))  # what is there before it raises stays

    return error_of(take), answers


@pytest.mark.thorough
def test_streams_that_are_broken_end_as_at_a_server(sides):
    with sides.pool() as pool:
        for name, parts in bad_streams(sides).items():
            expected, given = answers_and_error(sides.server, parts)
            found, answers = answers_and_error(pool, parts)
            assert found == expected, name
            assert found is not None, name
            assert answers == given[: len(answers)], name
        assert sides.right(pool.predict_stream(sides.parts))


def test_what_is_wrong_with_the_arguments_is_said_before_anything_starts(sides):
    other = fhenn.Sequential([fhenn.Linear(np.ones((2, FEATURES)))])
    other_plan = fhenn.plan(other, bounds=[-1, 1], evaluator=sides.plan.evaluator)
    certificate = fhenn.certify(other, [-1, 1], other_plan)
    secret = seal_of(sides.client._context).tenseal.serialize(save_secret_key=True)
    with_secret = frame("evaluation-context", {"fingerprint": sides.client.fingerprint, "rotation_keys": 0}, secret)
    cases = {
        "keys of another plan": (sides.model, sides.plan, fhenn.Client(other_plan).evaluation_keys()),
        "another model": (other, sides.plan, sides.keys),
        "no keys": (sides.model, sides.plan, b"nonsense"),
        "cut off keys": (sides.model, sides.plan, sides.keys[:-9]),
        "a secret key": (sides.model, sides.plan, sides.client.secret_bytes()),
        "keys with a secret": (sides.model, sides.plan, with_secret),
        "an upload": (sides.model, sides.plan, sides.parts[0]),
        "text": (sides.model, sides.plan, "text"),
        "no plan": (sides.model, sides.model, sides.keys),
    }
    for name, arguments in cases.items():
        expected = error_of(lambda arguments=arguments: Server(*arguments))
        found = error_of(lambda arguments=arguments: LocalPool(*arguments, workers=1))
        assert expected is not None and found == expected, name
    with pytest.raises(FhennError) as caught:
        LocalPool(sides.model, sides.plan, sides.keys, certificate=certificate)
    assert "certificate" in str(caught.value)
    for workers in (0, -1, True, 1.0, "2", 2**70 + 0.5):
        with pytest.raises(ParameterError, match="number of workers"):
            sides.pool(workers)
    assert not processes()


def test_no_secret_key_reaches_a_file(on_seal, monkeypatch):
    secret = seal_of(on_seal.client._context).tenseal.serialize(save_secret_key=True)
    keys = frame("evaluation-context", {"fingerprint": on_seal.client.fingerprint, "rotation_keys": 0}, secret)
    monkeypatch.setattr("fhenn.pool.local.mkdtemp", lambda **_: pytest.fail("a folder was made"))
    for each in (keys, on_seal.client.secret_bytes()):
        with pytest.raises(WireFormatError, match="secret key"):
            LocalPool(on_seal.model, on_seal.plan, each)


def test_it_is_printed_as_it_is_called(sides):
    with LocalPool(sides.model, sides.plan, sides.keys) as pool:
        assert pool.workers == len(os.sched_getaffinity(0))
        assert pool.plan is sides.plan
        assert repr(pool).startswith(f"LocalPool(workers={pool.workers}, ")


class Drawn:
    """Parts, and how many of them were taken."""

    def __init__(self, parts):
        self._parts, self.count = iter(parts), 0

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self._parts)
        self.count += 1
        return part


def in_thread(act):
    """What another thread meets: (thread, list that will hold what it returned or raised)."""
    found = []

    def run():
        try:
            found.append(act())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def held_up(monkeypatch):
    """Servers of this process whose answers wait for an event."""
    event, predict = threading.Event(), Server.predict

    def waits(server, upload, range_check=True):
        assert event.wait(20)
        return predict(server, upload, range_check)

    monkeypatch.setattr(Server, "predict", waits)
    return event


def test_parts_are_taken_as_there_is_room_for_them(sides, monkeypatch, in_trouble, tmp_path):
    expected = list(sides.server.predict_stream(sides.parts))
    in_trouble(-1, how="wait")
    go_on = held_up(monkeypatch)
    with sides.pool() as pool:
        drawn = Drawn(sides.parts)
        answers = pool.predict_stream(drawn)
        assert drawn.count == 0
        thread, found = in_thread(lambda: list(islice(answers, 3)))
        wait_for(lambda: drawn.count >= 4, 20)
        time.sleep(0.3)
        assert drawn.count == 4  # two at work, and two for who is done first
        (tmp_path / "go").touch()
        go_on.set()
        thread.join(60)
        assert found == [expected[:3]]
        assert drawn.count <= 3 + 4
        assert list(answers) == expected[3:]
        assert drawn.count == len(sides.parts)


def test_answers_come_in_the_order_of_the_parts(sides, monkeypatch, in_trouble, tmp_path):
    """The first part is held up while others are done."""
    expected = list(sides.server.predict_stream(sides.parts))
    in_trouble(0, how="wait")
    done, predict, go_on = [], Server.predict, threading.Event()

    def first_waits(server, upload, range_check=True):
        place = sides.parts.index(upload)
        assert place or go_on.wait(20)
        answer = predict(server, upload, range_check)
        done.append(place)
        return answer

    monkeypatch.setattr(Server, "predict", first_waits)
    with sides.pool() as pool:
        drawn = Drawn(sides.parts)
        thread, found = in_thread(lambda: list(pool.predict_stream(drawn)))
        wait_for(lambda: drawn.count == 4, 20)
        wait_for(lambda: len(done) == 3 or sides.plan.evaluator == "seal", 20)
        assert not found
        (tmp_path / "go").touch()
        go_on.set()
        thread.join(60)
    assert found == [expected]


def test_several_threads_may_ask_at_once(sides):
    expected = list(sides.server.predict_stream(sides.parts))
    with sides.pool() as pool:
        threads = [in_thread(lambda: list(pool.predict_stream(sides.parts))) for _ in range(3)]
        threads += [in_thread(lambda place=place: pool.predict(sides.parts[place])) for place in range(3)]
        for thread, _ in threads:
            thread.join(60)
    found = [found for _, (found,) in threads]
    assert found == [expected] * 3 + expected[:3]


def test_closed_it_says_so_and_who_waits_is_told(sides, monkeypatch, in_trouble):
    in_trouble(-1, how="wait")
    go_on = held_up(monkeypatch)
    pool = sides.pool()
    drawn = Drawn(sides.parts)
    stream = pool.predict_stream(drawn)
    later = pool.predict_stream(sides.parts)
    waiting = [in_thread(lambda: next(stream)), in_thread(lambda: pool.predict(sides.parts[1]))]
    wait_for(lambda: drawn.count == 4, 20)
    closing, _ = in_thread(pool.close)
    wait_for(lambda: pool._engine._closing, 5)
    go_on.set()  # a thread ends at its next step, a process at once
    for thread, found in waiting:
        thread.join(70)
        assert [type(each) for each in found] == [PoolClosed]
    closing.join(70)
    pool.close()
    for use in (lambda: pool.predict(sides.parts[0]), lambda: pool.predict_stream(sides.parts), lambda: next(later)):
        with pytest.raises(PoolClosed, match="LocalPool is closed"):
            use()
    with pytest.raises(PoolClosed), pool:
        pool.predict(sides.parts[0])


# processes that die


@pytest.mark.thorough
def test_a_part_whose_worker_is_lost_is_done_again(on_seal, in_trouble):
    """Two processes die as their part comes, each for another reason; nobody sees it."""
    in_trouble(-1, times=2, how="crash")
    with on_seal.pool() as pool:
        assert on_seal.right(pool.predict_stream(on_seal.parts))
        before = set(processes())
    in_trouble(-1, times=4, how="exit")  # two were met
    with on_seal.pool(1) as pool:
        assert on_seal.right(pool.predict_stream(on_seal.parts))
        assert len(before) == 2


@pytest.mark.thorough
def test_workers_that_are_killed_in_the_middle_are_replaced(on_seal, in_trouble, tmp_path):
    """Killed as if memory had run out, under the very parts that they work on, then once more while they are idle."""
    in_trouble(-1, how="wait")
    with on_seal.pool() as pool:
        answers, found = in_thread(lambda: list(pool.predict_stream(on_seal.parts)))
        wait_for(lambda: len(list(tmp_path.glob("met-*"))) == 2, 30)
        first = processes()
        kill(first[0])
        wait_for(lambda: len(list(tmp_path.glob("met-*"))) == 3, 30)
        (tmp_path / "go").touch()
        answers.join(60)
        assert on_seal.right(found[0])
        for pid in processes():
            kill(pid)
        wait_for(lambda: len(set(processes()) - {*first}) == 2, 30)
        assert on_seal.right(pool.predict_stream(on_seal.parts))


@pytest.mark.thorough
def test_a_part_that_ends_three_workers_is_refused_and_the_others_are_answered(on_seal, in_trouble, tmp_path):
    expected = list(on_seal.server.predict_stream(on_seal.parts))
    in_trouble(3)
    with on_seal.pool() as pool:
        answers = list(pool.predict_stream(on_seal.parts))
        assert len(list(tmp_path.glob("met-*"))) == 3
        with pytest.raises(PartRefused, match="three workers died of it, the last with exit code -11") as caught:
            pool.predict(on_seal.parts[3])
        assert (caught.value.part, caught.value.samples) == (3, 1)
        assert pool.predict(on_seal.parts[4]) == expected[4]
    refusal = Refusal.from_bytes(answers[3])
    assert (refusal.binding.part, refusal.samples) == (3, 1)
    assert "three workers died of it" in refusal.reason
    assert [*answers[:3], *answers[4:-1]] == [*expected[:3], *expected[4:-1]]
    assert kind_of(answers[-1]) == "end"
    with pytest.raises(PartRefused, match="part 3"):
        list(on_seal.client.decrypt_stream(answers))


@pytest.mark.parametrize(
    ("how", "said"), [("memory", "more memory"), ("seal", r"cannot be evaluated \(RuntimeError\)")]
)
@pytest.mark.thorough
def test_a_part_that_cannot_be_computed_is_refused_without_the_words_that_it_may_hold(on_seal, in_trouble, how, said):
    in_trouble(2, how=how)
    with on_seal.pool(1) as pool:
        answers = list(pool.predict_stream(on_seal.parts))
        with pytest.raises(PartRefused, match=said) as caught:
            pool.predict(on_seal.parts[2])
        assert "words" not in str(caught.value)
    assert [kind_of(each) for each in answers] == ["answer"] * 2 + ["refusal"] + ["answer"] * (ROWS - 3) + ["end"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("prepare", "said"),
    [("die_at_once", "no worker of the pool starts"), ("die_as_it_loads", "died while they loaded the model")],
)
def test_a_pool_whose_workers_cannot_work_says_so(on_seal, monkeypatch, prepare, said):
    monkeypatch.setattr("fhenn.pool.local._be_quiet", getattr(troubled_worker, prepare))
    with pytest.raises(PoolFailed, match=said):
        on_seal.pool()


def test_a_pool_whose_folder_is_gone_says_so(on_seal, nothing_is_left):
    with on_seal.pool(1) as pool:
        (folder,) = nothing_is_left.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        for file in folder.iterdir():
            file.unlink()
        with pytest.raises(PoolFailed, match="were removed"):
            pool.predict(on_seal.parts[0])


def test_a_stream_that_is_left_in_the_middle_leaves_the_pool_to_others(sides):
    with sides.pool() as pool:
        for taken in range(4):
            answers = pool.predict_stream(sides.parts)
            assert len(list(islice(answers, taken))) == taken
            answers.close()
        assert sides.right(pool.predict_stream(sides.parts))


@pytest.mark.thorough
def test_a_pool_that_is_forgotten_goes(on_seal, nothing_is_left):
    pool = on_seal.pool(1)
    assert processes() and list(nothing_is_left.iterdir())
    before = threading.active_count()
    del pool
    gc.collect()
    wait_for(lambda: not processes() and threading.active_count() < before, 10)


PROGRAM = """
import sys, fhenn
from pathlib import Path
from itertools import cycle
folder, evaluator, how = Path(sys.argv[1]), *sys.argv[2:]
model = fhenn.Sequential([fhenn.Linear([[0.5, 0.25]])])
plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator)
client = fhenn.Client(plan)
pool = fhenn.LocalPool(model, plan, client.evaluation_keys(), workers=2)

def work():
    for place, _ in enumerate(pool.predict_stream(client.encrypt_stream([1.0, 0.5] for _ in cycle([0])))):
        if place == 3:
            print("running", flush=True)

if how == "with":
    with pool:
        work()
elif how == "fork":
    import os
    if os.fork() == 0:
        sys.exit()
    os.wait()
    answer = pool.predict(client.encrypt([1.0, 0.5]))
    print("running", client.decrypt(answer).round(2), flush=True)
    work()
else:
    work()
"""


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["with", "alone", "fork"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_interrupted_leaves_nothing(evaluator, tmp_path, nothing_is_left, how, number):
    """As a terminal does it: the signal goes to all of the program's group. The program has no guard around it."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"TMPDIR": str(nothing_is_left)}
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path), evaluator, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline().startswith("running")
    workers = [pid for pid in children_of(process.pid) if "fhenn-worker" in command_of(pid)]
    assert len(workers) == (2 if evaluator == "seal" else 0)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -number
    lines = said.splitlines()
    if number == signal.SIGINT:
        assert lines[-1] == "KeyboardInterrupt", said
        assert sum(not line.startswith(" ") for line in lines if line) == 2, said  # one traceback, and nothing else
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() and command_of(pid) for pid in workers), 5)


def test_answers_go_on_where_they_were_broken_off(sides):
    whole = list(sides.server.predict_stream(sides.parts))
    with sides.pool() as pool:
        for made in (0, 1, len(whole) - 1):
            assert list(pool.predict_stream(sides.parts, after=whole[:made])) == whole[made:]
        other = sides.client.encrypt(sides.x)
        with pytest.raises(AnswerMismatch):
            list(pool.predict_stream([other], after=whole[:1]))
