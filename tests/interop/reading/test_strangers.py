"""Readings that were altered at random: refused by a typed error, or read without harm."""

import json
import random
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from fhenn.errors import FhennError, UnsupportedValue
from fhenn.interop import Reading
from fhenn.interop.reading import Maps
from fhenn.interop.reading.expressions import Scores, evaluate
from fhenn.interop.reading.operations import Average, Couple, Decide, PairScores

DOCUMENTS = [
    json.loads(json.loads(path.read_text(encoding="utf-8"))["reading"])
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
]
ODD = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    1 << 20,
    1 << 40,
    0.5,
    1e308,
    "",
    "softmax",
    "scores",
    [],
    [0],
    [[0]],
    {},
    {"op": "decide"},
)


def altered(rng, value):
    """A document with one part of it replaced, left out, doubled, or put in the place of another."""
    places = list(parts(value))
    holder, key = rng.choice(places)
    other, other_key = rng.choice(places)
    change = rng.randrange(5)
    if change == 0:
        holder[key] = rng.choice(ODD)
    elif change == 1:
        del holder[key]
    elif change == 2:
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] += rng.choice((-1, 1, 0.5))
    return value


def parts(value):
    """Where everything in a document stands."""
    for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(each, dict | list):
            yield from parts(each)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 11))])
def test_what_was_altered_is_refused_or_read(seed):
    rng = random.Random(seed)
    outcomes = {True: 0, False: 0}
    for _ in range(300):
        document = json.loads(json.dumps(rng.choice(DOCUMENTS)))
        for _ in range(rng.choice((1, 1, 2, 3))):
            document = altered(rng, document)
        try:
            reading = Reading.from_json(json.dumps(document))
        except FhennError:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for width in (1, 2, 3, 4, 6, 9):
                for read in (reading.predict, reading.predict_proba, reading.decision_function):
                    try:
                        read(np.linspace(-3, 3, 5 * width).reshape(5, width))
                    except FhennError:
                        continue
        assert Reading.from_json(reading.to_json()) == reading
    assert min(outcomes.values()) > 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    "make",
    [
        lambda: Maps(Decide(Scores((0,) * 80_000))),
        lambda: Maps(PairScores(Scores((0,) * PAIRS), Scores((0,) * PAIRS))),
        lambda: Maps(Couple(Scores((0,) * (256 * 255 // 2)))),
        lambda: Maps(Average((Scores((0,) * 120),) * 2000, (1.0,) * 2000)),
    ],
    ids=["decide", "pairs", "couple", "average"],
)
def test_the_widest_expressions_take_little_time_and_memory(make):
    maps = make()
    scores = np.random.default_rng(0).normal(size=(200, 1))
    tracemalloc.start()
    start = time.process_time()
    copy = Maps.from_fields(json.loads(json.dumps(maps.to_fields())))
    found = evaluate(copy.predict, scores)
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{found.shape}: {seconds:.1f} s, {peak / 1e6:.0f} MB")
    assert found.shape == (200, maps.predict.width)
    assert peak < 8e8
    assert seconds < 20


PAIRS = 360 * 359 // 2


@pytest.mark.parametrize("answer", [b"FHENN\x03" + b"x" * 100_000, bytearray(9), memoryview(b"FHENN")])
def test_an_answer_that_was_not_decrypted_is_told_in_a_line(answer):
    with pytest.raises(
        UnsupportedValue, match=r"cannot compute on an answer; .* client\.decrypt_scores\(answer\)"
    ) as caught:
        Reading.classification(["a", "b"], "sigmoid").predict(answer)
    assert len(str(caught.value)) < 200
