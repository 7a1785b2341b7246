"""The TypeScript client and Python's agree: on plans, slots, keys, answers, and what is refused."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from functools import partial
from itertools import starmap
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from broken_client import (
    COMPRESSED,
    SEED,
    answers,
    changed_at_random,
    encrypted_answers,
    frames,
    outcome,
    said_of_answer,
    write_broken,
)
from vectors_client import MODELS, Case, alarming, case, cases, write_cases
from vitest import run_vitest

import fhenn
from fhenn.backends import evaluator as registered
from fhenn.ckks import CipherArray
from fhenn.ckks.structure import Chain
from fhenn.errors import NoiseWarning
from fhenn.nn.finish import finished
from fhenn.planner.scaling import scale
from fhenn.planner.verification import errors_on
from fhenn.session import Receipt
from fhenn.wire import unframe

pytestmark = pytest.mark.web

NAMES = [(name, layout) for name in MODELS for layout in ("latency", "throughput")]
NAMES.remove(("many-tiles", "throughput"))
EVALUATORS = ("native", "seal")
ROUNDING = 1e-12


ALARMING = ("latency", "throughput")
ALTERED = (("hidden-witness", "latency"), ("hidden-witness", "throughput"), ("regression", "throughput"))
RANDOM = 40


@pytest.fixture(scope="module")
def exchanged(vectors: Path) -> Path:
    """What the TypeScript client made of the cases, Python's answers, and what the client read in them."""
    write_cases(vectors, [*cases(), *map(alarming, ALARMING)])
    write_broken(vectors, case(*ALTERED[0]).plan, {each.name: each.plan for each in cases()})
    files = ("plans", "broken", "refusals", "uploads", "hostile", "secrets")
    run_vitest(vectors, *(f"test/client/{name}.test.ts" for name in files), "test/page/session.test.ts")
    answers = {}
    for each in cases():
        for evaluator in EVALUATORS:
            answers[f"{each.name}-{evaluator}"] = each.name
            (vectors / f"{each.name}-{evaluator}.answer").write_bytes(answer_to(vectors, each, evaluator))
    (vectors / "answers.json").write_text(json.dumps(answers))
    write_alarms(vectors)
    write_altered(vectors)
    run_vitest(vectors, "test/client/answers.test.ts", "test/client/altered.test.ts")
    return vectors


def answer_to(folder: Path, of: Case, evaluator: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        server = fhenn.Server(of.model, of.plan, sent(folder, of, "keys"), evaluator=evaluator)
    return server.predict(sent(folder, of, "upload"))


def write_alarms(folder: Path) -> None:
    """Answers to rows that left a domain, and what Python's client says of them."""
    reports = {}
    for each in map(alarming, ALARMING):
        answer = answer_to(folder, each, "native")
        (folder / f"{each.name}.answer").write_bytes(answer)
        report = restored(folder, each).violations(answer, receipt=Receipt.of(sent(folder, each, "upload")))
        assert report is not None
        assert 6 in report.samples
        reports[each.name] = asdict(report)
    (folder / "alarms.json").write_text(json.dumps(reports))


def write_altered(folder: Path) -> None:
    """What a server may send in the place of an answer, and what Python's client says of that."""
    told = {}
    for of in starmap(case, ALTERED):
        client, upload = restored(folder, of), sent(folder, of, "upload")
        server = fhenn.Server(of.model, of.plan, sent(folder, of, "keys"), evaluator="native")
        good, receipt = server.predict(upload), Receipt.of(upload)
        chain = Chain(of.plan.parameters.ring_degree, of.plan.parameters.primes)
        every = list(answers(chain, good, upload, server.predict(client.encrypt(of.rows))))
        every += encrypted_answers(client, good, len(of.rows))
        random = changed_at_random(good, RANDOM, Random(SEED))
        every += [(f"changed at random {number}", data) for number, data in enumerate(random)]
        place = folder / "altered" / of.name
        place.mkdir(parents=True)
        said = []
        for number, (name, data) in enumerate(every):
            (place / f"answer{number}").write_bytes(data)
            error = said_of_answer(client, receipt, data)
            assert name != COMPRESSED or not error
            said.append({"name": name, "error": "UnsupportedOperation" if name == COMPRESSED else error})
        assert not said[0]["error"]
        told[of.name] = said
    (folder / "altered.json").write_text(json.dumps(told))


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


def test_frames_of_ours_are_read(exchanged: Path) -> None:
    read = 0
    for number, (_, data) in enumerate(frames()):
        if not outcome(partial(unframe, "note", data)):
            assert unframe("note", (exchanged / f"from_js/frame{number}").read_bytes()) == unframe("note", data)
            read += 1
    assert read
