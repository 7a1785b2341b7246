"""The TypeScript client against Python's service, and against services that mean harm."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_service import (
    PLACES,
    SECONDS,
    SEED,
    VERSION,
    Attack,
    Hostile,
    absurd_answers,
    absurd_plans,
    bomb,
    endlessly,
    generic,
    head,
    honest,
    plan,
    say,
)
from service_harness import MODEL, PLAN, Running, stored
from vitest import run_vitest

pytestmark = pytest.mark.web

MEGABYTES = 500.0
EXPECTED = {
    ("models", "an endless body"): (endlessly(head(1 << 40), b"x"), "AnswerRefused"),
    ("models", "a name"): (say(b'{"models": [{"name": 7}]}'), "WireFormatError"),
    ("plan", "a bomb"): (say(bomb(64), "Content-Encoding: gzip"), "AnswerRefused"),
    ("plan", "a redirect"): (say(b"", "Location: http://127.0.0.1:9/", status="302 Found"), "ServiceError"),
    ("plan", "half an answer"): (lambda peer, body: peer.sendall(head(len(body) + 1) + body), "ServiceUnreachable"),
    ("head", "an offset"): (say(b"", "Upload-Offset: x"), "WireFormatError"),
    ("put", "an endless problem"): (
        endlessly(head(None, "Connection: close", status="422 No"), bytes(1 << 16)),
        "AnswerRefused",
    ),
    ("predict", "an endless answer"): (endlessly(head(None, "Connection: close"), bytes(1 << 20)), "AnswerRefused"),
    ("predict", "another version"): (say(honest("predict"), f"{VERSION}: {'0' * 32}"), "WireFormatError"),
    ("predict", "noise"): (say(b"x" * 1000, f"{VERSION}: {plan().fingerprint}"), "WireFormatError"),
}
"""What is done at which place, and the error that the client meets."""

ENDLESS = {"endless 100 Continue", "dripping head", "dripping status", "dripping honest answer", "silence"}
"""What takes a client as long as it waits."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Python's service, with one model."""
    folder = stored(tmp_path_factory.mktemp("service") / "store")
    with Running(folder, {"workers": 1}) as running:
        yield running


def test_a_service_of_python_answers(service: Running, vectors: Path) -> None:
    told = {"url": service.url, "token": service.token("clinic")}
    (vectors / "service.json").write_text(json.dumps(told))
    run_vitest(vectors, "test/client/service.test.ts", "-t", "a service of Python")
    rows, made = (
        np.frombuffer((vectors / "from_js" / f"service.{name}").read_bytes()) for name in ("rows", "finished")
    )
    expected = MODEL.predict(rows.reshape(3, -1)).ravel()
    assert np.abs(made - expected).max() <= PLAN.error


def attack(folder: Path, attacks: Mapping[str, Attack]) -> tuple[dict[str, Any], float]:
    """What clients of services that mean harm meet, by their names, and the megabytes that it takes."""
    with ExitStack() as stack:
        services = {name: stack.enter_context(Hostile(each)) for name, each in attacks.items()}
        told = [{"name": name, "url": each.url} for name, each in services.items()]
        (folder / "hostile.json").write_text(json.dumps(told))
        run_vitest(folder, "test/client/service.test.ts", "-t", "services that mean harm")
    told = json.loads((folder / "from_js" / "hostile.json").read_text())
    return told["found"], told["megabytes"]


def test_services_that_mean_harm_are_refused(tmp_path: Path) -> None:
    attacks = {f"{place}: {name}": Attack(name, place, act) for (place, name), (act, _) in EXPECTED.items()}
    found, megabytes = attack(tmp_path, attacks)
    assert {name: each["error"] for name, each in found.items()} == {
        f"{place}: {name}": error for (place, name), (_, error) in EXPECTED.items()
    }
    assert max(len(each["text"]) for each in found.values()) < 1000
    assert megabytes < MEGABYTES


def test_plans_and_answers_that_nobody_makes_are_refused(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    attacks = {f"plan: {name}": Attack(name, "plan", say(body)) for name, body in absurd_plans(rng)}
    attacks |= {
        f"answer: {name}": Attack(name, "predict", say(body, f"{VERSION}: {plan().fingerprint}"))
        for name, body in absurd_answers(rng)
    }
    found, megabytes = attack(tmp_path, attacks)
    passed = {name for name, each in found.items() if not each["error"]}
    assert not passed
    errors = {"WireFormatError", "WrongKind", "PlanError", "ContextMismatch"}
    assert {each["error"] for each in found.values()} <= errors
    assert max(each["seconds"] for each in found.values()) < SECONDS
    assert megabytes < MEGABYTES


@pytest.mark.thorough
@pytest.mark.parametrize("place", PLACES)
def test_whatever_a_service_does_is_refused(tmp_path: Path, place: str) -> None:
    rng = random.Random(SEED)
    attacks = {name: Attack(name, place, act) for name, act in generic(rng) if name not in ENDLESS}
    found, megabytes = attack(tmp_path, attacks)
    assert max(each["seconds"] for each in found.values()) < SECONDS
    assert megabytes < MEGABYTES
