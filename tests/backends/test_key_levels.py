"""Rotation keys hold what the level needs at which they turn: on the wire, in SEAL and in the native evaluator."""

from dataclasses import replace

import numpy as np
import pytest

import fhenn
from fhenn import protobuf
from fhenn.backends import context_class, is_available
from fhenn.ckks.messages import EvaluationMessage, bytes_of_rotations
from fhenn.ckks.sizes import bytes_of_key
from fhenn.errors import KeyMissing, ParameterError, WireFormatError
from fhenn.wire import frame, unframe

EVALUATORS = [name for name in ("seal", "native") if is_available(name)]
PARAMETERS = {
    "N=4096": fhenn.Parameters(4096, (29, 22, 22, 36), 2.0**22),
    "N=8192": fhenn.Parameters(8192, (40, 30, 31, 32, 41), 2.0**30),
}
LEVELS = {1: 0, 2: 2, 5: 1, 7: 1}
OUTER_OF_KEYS = 16 + 32 + 7
"""Bytes of a header, an id and a number, less one."""


@pytest.fixture(scope="module", params=PARAMETERS)
def client(request):
    return fhenn.Context.generate(PARAMETERS[request.param])


@pytest.fixture(scope="module")
def keys(client):
    return client.evaluation_bytes(LEVELS, relinearisation=1)


@pytest.fixture(params=EVALUATORS)
def server(request, keys):
    return context_class(request.param).from_bytes(keys)


def test_a_rotation_turns_at_its_level_and_below(client, server):
    values = np.random.default_rng(0).uniform(-1, 1, client.slots)
    on = server.arithmetic
    for steps, highest in LEVELS.items():
        for level in range(client.levels + 1):
            assert server.can_rotate(steps, level) == (level <= highest)
            x = server.load(client.encrypt_seeded(values.tolist(), level, client.scale), level, client.scale)
            x = on.wrap(x, level, client.scale)
            if level > highest:
                with pytest.raises(KeyMissing, match=f"by {steps}, at level {level}"):
                    on.rotated(x, [steps])
                continue
            (turned,) = on.rotated(x, [steps])
            decrypted = client.decrypt_slots(client.load(server.save(on.unwrap(turned)), level, client.scale))
            np.testing.assert_allclose(decrypted, np.roll(values, -steps), atol=2e-2)
    assert not server.can_rotate(3, 0)


def test_a_product_is_brought_back_at_its_level_and_below(client, server):
    on, scale = server.arithmetic, client.scale
    assert [server.can_relinearise(level) for level in range(3)] == [True, True, False]
    for level in range(1, client.levels + 1):  # below, the prime does not hold a square
        x = on.wrap(server.load(client.encrypt_seeded(0.25, level, scale), level, scale), level, scale)
        for square in (lambda x=x: on.relinearise(on.multiply(x, x)), lambda x=x: on.multiply_and_relinearise(x, x)):
            if level > 1:
                with pytest.raises(KeyMissing, match=f"relinearisation .at level {level}.*is for level 1"):
                    on.unwrap(square())
                continue
            made = client.load(server.save(on.unwrap(square())), level, scale**2)
            np.testing.assert_allclose(client.decrypt_slots(made), 0.0625, atol=0.01)


@pytest.mark.skipif("native" not in EVALUATORS, reason="the native library was not built")
def test_both_evaluators_rotate_to_the_bit(client, keys):
    seal, native = (context_class(name).from_bytes(keys) for name in ("seal", "native"))
    data = client.encrypt_seeded([0.5, -0.25], 1, client.scale)
    x, y = (context.load(data, 1, client.scale) for context in (seal, native))
    for steps in (2, 5, 7):
        turned = native.load(seal.save(seal.rotate(x, steps, 1)), 1, client.scale)
        (ours,) = native.ring.rotate(y.residues, [native.keys.turn(steps, 2)], centred=False)
        assert np.array_equal(turned.residues, ours)


def test_they_survive_a_second_message(client, server):
    again = type(server).from_bytes(server.to_bytes())
    assert [again.can_relinearise(level) for level in range(3)] == [True, True, False]
    assert [again.can_rotate(steps, level) for steps in LEVELS for level in range(3)] == [
        server.can_rotate(steps, level) for steps in LEVELS for level in range(3)
    ]


def test_they_are_as_large_as_their_level(client, keys):
    message, parts = EvaluationMessage.decode(keys)
    assert not parts.relinearisation_keys
    assert message.relinearisation.level == 1
    expected = bytes_of_key(client.ring_degree, (*client.chain[:2], client.chain[-1]))
    assert OUTER_OF_KEYS < len(message.relinearisation.data) - expected < OUTER_OF_KEYS + 8 * client.ring_degree
    assert [each.level for each in message.rotations] == [0, 1, 2]
    chain = client.chain
    for each, count in zip(message.rotations, (1, 2, 1), strict=True):
        expected = count * bytes_of_key(client.ring_degree, (*chain[: each.level + 1], chain[-1]))
        # a word for every index that has no key
        assert OUTER_OF_KEYS < len(each.data) - expected < OUTER_OF_KEYS + 8 * client.ring_degree


@pytest.mark.parametrize("level", [-1, 99])
def test_a_level_that_there_is_not(client, level):
    with pytest.raises(ParameterError, match=f"no level {level} for keys"):
        client.evaluation_bytes({1: level})
    with pytest.raises(ParameterError, match=f"no level {level} for keys"):
        client.evaluation_bytes(relinearisation=level)


def test_a_message_of_before_is_for_every_level(client):
    before = fhenn.Context.generate(client.parameters, rotations=[1])
    meta, body = unframe("evaluation-context", before.to_bytes())
    del meta["rotation_levels"]
    for name in EVALUATORS:
        server = context_class(name).from_bytes(frame("evaluation-context", meta, body))
        assert server.can_rotate(1, client.levels)


def _stated(keys):
    """Headers that say something else of the levels."""
    (first, a), (second, b), (third, c) = unframe("evaluation-context", keys)[0]["rotation_levels"]
    return {
        "no list": 3,
        "no pairs": [1, 2, 3],
        "triples": [[first, a, 0], [second, b, 0], [third, c, 0]],
        "a fraction": [[0.0, a], [second, b], [third, c]],
        "truth": [[False, a], [True, b], [third, c]],
        "a level below 0": [[-1, a], [second, b], [third, c]],
        "a level too high": [[first, a], [second, b], [99, c]],
        "levels that descend": [[third, a], [second, b], [first, c]],
        "a level twice": [[first, a], [first, b], [third, c]],
        "no bytes": [[first, a + b], [second, 0], [third, c]],
        "fewer than none": [[first, a + b + 1], [second, -1], [third, c]],
        "fewer bytes than there are": [[first, a], [second, b]],
        "more": [[first, a], [second, b], [third, c + 1]],
        "none": [],
    }


def test_a_header_says_how_many_bytes_are_rotation_keys(client, keys):
    meta, _ = unframe("evaluation-context", keys)
    assert bytes_of_rotations(meta) == sum(size for _, size in meta["rotation_levels"]) < meta["rotation_keys"]
    whole, _ = unframe("evaluation-context", fhenn.Context.generate(client.parameters, rotations=[1]).to_bytes())
    assert bytes_of_rotations(whole) == whole["rotation_keys"] > 0
    assert bytes_of_rotations({}) is None
    for wrong in ("it", [1], [1, 2.0], None):
        assert bytes_of_rotations(meta | {"relinearisation": wrong}) == meta["rotation_keys"]


@pytest.mark.parametrize("name", EVALUATORS)
def test_headers_that_lie_are_refused(keys, name):
    meta, body = unframe("evaluation-context", keys)
    (_, own) = meta["relinearisation"]
    squares = {"no pair": [1], "a fraction": [1.0, own], "below 0": [-1, own], "too high": [99, own], "none": None}
    for case, stated in (squares | {"no bytes": [1, 0], "fewer than none": [1, -1], "more": [1, own + 1]}).items():
        with pytest.raises(WireFormatError, match="for which levels"):
            context_class(name).from_bytes(frame("evaluation-context", meta | {"relinearisation": stated}, body))
            pytest.fail(case)
    for case, stated in _stated(keys).items():
        with pytest.raises(WireFormatError, match="for which levels"):
            context_class(name).from_bytes(frame("evaluation-context", meta | {"rotation_levels": stated}, body))
            pytest.fail(case)


def without_public_key(body):
    """A context message in whose public part there is nothing but the scale."""
    fields = dict(protobuf.read_fields("context", body))
    public = dict(protobuf.read_fields("context", fields[2]))
    return protobuf.encode_field(1, fields[1]) + protobuf.encode_field(2, protobuf.encode_field(3, public[3]))


@pytest.mark.parametrize("name", EVALUATORS)
def test_relinearisation_keys_are_in_one_place(client, name):
    """Beside the context they are checked by nothing but the fingerprint of the public key, which must be there."""
    good, _ = EvaluationMessage.decode(client.evaluation_bytes(relinearisation=1))
    whole, _ = EvaluationMessage.decode(client.to_bytes())
    for wrong in (replace(good, context=whole.context), replace(good, context=without_public_key(good.context))):
        with pytest.raises(WireFormatError, match="twice, or no public key"):
            context_class(name).from_bytes(wrong.encode())


@pytest.mark.parametrize("name", EVALUATORS)
def test_keys_of_another_level_than_stated_are_refused(client, keys, name):
    """Fewer digits than the level needs would be read as those of others; more would be memory for nothing."""
    meta, body = unframe("evaluation-context", client.evaluation_bytes({1: 1}))
    ((_, size),) = meta["rotation_levels"]
    for level in (0, 2):
        with pytest.raises(WireFormatError):
            changed = meta | {"rotation_levels": [[level, size]]}
            context_class(name).from_bytes(frame("evaluation-context", changed, body))
