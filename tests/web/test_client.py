"""The TypeScript client and Python's agree: on plans, slots, keys, answers, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vectors_client import MODELS, Case, case, cases, write_cases
from vitest import run_vitest

import fhenn
from fhenn.backends import evaluator as registered
from fhenn.ckks import CipherArray
from fhenn.errors import NoiseWarning
from fhenn.nn.finish import finished
from fhenn.planner.scaling import scale
from fhenn.planner.verification import errors_on
from fhenn.session import Receipt

pytestmark = pytest.mark.web

NAMES = [(name, layout) for name in MODELS for layout in ("latency", "throughput")]
NAMES.remove(("many-tiles", "throughput"))
EVALUATORS = ("native", "seal")
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def exchanged(vectors: Path) -> Path:
    """What the TypeScript client made of the cases, Python's answers, and what the client read in them."""
    write_cases(vectors, cases())
    run_vitest(vectors, "test/client/plans.test.ts", "test/client/uploads.test.ts")
    answers = {}
    for each in cases():
        keys, upload = (sent(vectors, each, kind) for kind in ("keys", "upload"))
        for evaluator in EVALUATORS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoiseWarning)
                server = fhenn.Server(each.model, each.plan, keys, evaluator=evaluator)
            (vectors / f"{each.name}-{evaluator}.answer").write_bytes(server.predict(upload))
            answers[f"{each.name}-{evaluator}"] = each.name
    (vectors / "answers.json").write_text(json.dumps(answers))
    run_vitest(vectors, "test/client/answers.test.ts")
    return vectors


def sent(folder: Path, of: Case, kind: str) -> bytes:
    return (folder / "from_js" / f"{of.name}.{kind}").read_bytes()


def restored(folder: Path, of: Case) -> fhenn.Client:
    return fhenn.Client.from_secret_bytes(of.plan, sent(folder, of, "secret"))


@pytest.mark.parametrize(("name", "layout"), NAMES)
def test_equal_plans_give_equal_slots(exchanged: Path, name: str, layout: str) -> None:
    of = case(name, layout)
    plan, client = of.plan, restored(exchanged, of)
    context: Any = client._context
    array = CipherArray.from_bytes(context, sent(exchanged, of, "upload"))
    slots = np.array([context.decrypt_slots(each) for each in array.ciphertexts])
    spare = -len(of.rows) % plan.samples_per_ciphertext
    filled = np.concatenate([of.rows, np.repeat(of.rows[-1:], spare, axis=0)])
    values = scale(filled, *plan.bounds) if plan.scaled else filled
    expected = plan.layout.pack(values, plan.parameters.slots)
    assert array.layout == plan.layout
    assert array.shape == of.rows.shape
    assert slots.shape == expected.shape
    fresh = 50 * np.sqrt(plan.parameters.ring_degree) / plan.parameters.scale
    np.testing.assert_allclose(slots, expected, atol=fresh + 1e-14 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize(("name", "layout"), NAMES)
@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_answers_are_within_the_bound_of_the_plan(exchanged: Path, name: str, layout: str, evaluator: str) -> None:
    of = case(name, layout)
    answer = (exchanged / f"{of.name}-{evaluator}.answer").read_bytes()
    receipt = Receipt.of(sent(exchanged, of, "upload"))
    ours = restored(exchanged, of).decrypt_scores(answer, receipt=receipt)
    theirs = read(exchanged, f"{of.name}-{evaluator}.scores").reshape(ours.shape)
    size = np.abs(ours).max()
    np.testing.assert_allclose(theirs, ours, atol=1e-10 * size + ROUNDING, rtol=0)
    twin = np.asarray(of.model.forward(of.rows)).reshape(ours.shape)
    error = max(of.plan.error, errors_on(of.plan, of.model, registered(evaluator))[0])
    units = np.array(of.plan.units or 1.0)
    assert np.all(np.abs(theirs - twin) <= error * units + ROUNDING * size)
    made = read(exchanged, f"{of.name}-{evaluator}.finished")
    np.testing.assert_allclose(made, np.ravel(finished(of.plan.finish, theirs)), atol=ROUNDING * max(size, 1), rtol=0)


def read(folder: Path, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.frombuffer((folder / "from_js" / name).read_bytes(), "<f8")


@pytest.mark.parametrize("name", ["hidden", "names"])
def test_keys_hold_no_secret_key_and_are_those_of_the_plan(exchanged: Path, name: str) -> None:
    of = case(name, "latency")
    keys = sent(exchanged, of, "keys")
    context = fhenn.Context.from_bytes(keys)
    assert not context.has_secret_key
    assert context.fingerprint == restored(exchanged, of).fingerprint
    assert of.plan.fits(context)
    assert len(keys) < 1.1 * of.plan.bytes_of_keys
