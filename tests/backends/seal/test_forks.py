"""Contexts in forked children: dropped, used, and left when the child's interpreter ends, without a hang."""

import gc
import os
import signal
import subprocess
import sys
import time
from functools import cache

import numpy as np
import pytest

import fhenn
from fhenn import Context
from fhenn.ckks import Parameters

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

MODEL = fhenn.Sequential([fhenn.Linear([[2.0, 1.0]]), fhenn.Sigmoid()])
SECONDS = 60


def in_a_child(act) -> None:
    """Run `act` in a forked child, which must end well within the deadline."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)  # kills what hangs
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@cache
def plan():
    return fhenn.plan(MODEL, bounds=[-1, 1], layout="throughput", accuracy=1e-2)


def client():
    return fhenn.Client(plan())


def pair():
    made = client()
    return made, fhenn.Server(MODEL, made.plan, made.evaluation_keys())


MAKERS = {
    "Client": client,
    "Client and Server": pair,
    "restored Client": lambda: fhenn.Client.from_secret_bytes((first := client()).plan, first.secret_bytes()),
    "Context": lambda: Context.generate(Parameters.for_depth(1), (1,)),
    "public Context": lambda: Context.generate(Parameters.for_depth(1)).public(),
    "CipherArray": lambda: fhenn.encrypt(Context.generate(Parameters.for_depth(1)), [1.0]),
    "EncryptedLinear": lambda: fhenn.EncryptedLinear(Context.generate(Parameters.for_depth(1), (1,)), [[1.0]]),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.thorough
def test_what_is_dropped_in_a_child_does_not_hang(name):
    held = [MAKERS[name]()]

    def drop():
        held.clear()
        gc.collect()

    in_a_child(drop)


@pytest.mark.thorough
def test_a_child_computes_with_what_its_parent_made_and_with_its_own():
    made, server = pair()
    x = np.array([[0.5, -0.25]])

    def compute():
        assert abs(made.decrypt(server.predict(made.encrypt(x))) - MODEL.infer(x)).max() < 1e-2
        own, of_own = pair()
        assert abs(own.decrypt(of_own.predict(own.encrypt(x))) - MODEL.infer(x)).max() < 1e-2
        del own, of_own
        gc.collect()

    in_a_child(compute)
    compute()


@pytest.mark.thorough
def test_a_child_of_a_child_drops_too():
    held = [client()]

    def drop():
        in_a_child(held.clear)
        held.clear()
        gc.collect()

    in_a_child(drop)


def test_the_interpreter_of_a_child_ends():
    program = """
import os, signal, sys, fhenn
client = fhenn.Client(fhenn.plan(fhenn.Linear([[2.0]]), bounds=[-1, 1]))
child = os.fork()
signal.alarm(60)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=SECONDS, check=False).returncode == 0
