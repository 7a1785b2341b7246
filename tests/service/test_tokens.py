import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fhenn.errors import ParameterError
from fhenn.service.tokens import Tokens


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "tokens")


def test_a_token_is_known_until_it_is_revoked(tokens):
    text, kept = tokens.create("hospital")
    assert tokens.authenticate(text) == kept
    assert [one.id for one in tokens.all()] == [kept.id]
    tokens.revoke(kept.id)
    assert tokens.authenticate(text) is None
    assert tokens.all() == []


def test_what_is_kept_counts_from_the_next_request_on(tokens, tmp_path):
    text, kept = tokens.create("hospital")
    assert tokens.authenticate(text) == kept
    (path,) = (tmp_path / "tokens").iterdir()
    path.write_text(json.dumps(vars(kept) | {"models": ["cancer"]}))
    assert tokens.authenticate(text) == replace(kept, models=("cancer",))
    path.write_text("{}")
    assert tokens.authenticate(text) is None


def test_only_a_hash_is_kept_and_for_the_owner_of_the_files_alone(tokens, tmp_path):
    text, kept = tokens.create("hospital")
    (path,) = (tmp_path / "tokens").iterdir()
    secret = text.split("_", 2)[2]
    assert secret not in path.read_text()
    assert json.loads(path.read_text())["sha256"] == kept.sha256
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_wrong_tokens_are_unknown(tokens):
    text, _ = tokens.create("hospital")
    other, _ = tokens.create("clinic")
    mixed = text[: len("fhenn_") + 17] + other[len("fhenn_") + 17 :]
    for wrong in ("", "x", text + "x", text[:-1], text.upper(), f"fhenn_{'0' * 16}_{'a' * 43}", mixed, text + "\n"):
        assert tokens.authenticate(wrong) is None
    assert tokens.authenticate(f"fhenn_../../x_{'a' * 43}") is None


def test_expired_tokens_are_unknown(tokens, tmp_path):
    text, kept = tokens.create("hospital")
    old = replace(kept, expires="2001-01-01T00:00:00+00:00")
    (tmp_path / "tokens" / f"{kept.id}.json").write_text(json.dumps(vars(old)))
    assert tokens.authenticate(text) is None
    assert tokens.has_expired(tokens.all()[0])


def test_files_that_are_not_tokens_are_passed_over(tokens, tmp_path):
    tokens.create("hospital")
    for name, content in [(f"{'1' * 16}.json", "{"), (f"{'2' * 16}.json", "{}"), ("notes.json", "x")]:
        (tmp_path / "tokens" / name).write_text(content)
    assert len(tokens.all()) == 1
    assert tokens.authenticate(f"fhenn_{'1' * 16}_{'a' * 43}") is None


@pytest.mark.parametrize("owner", ["", "a/b", "..", "A", "a" * 65, "-a", "a-", "ö", "a\n"])
def test_owners_are_names(tokens, owner):
    with pytest.raises(ParameterError, match="owner"):
        tokens.create(owner)


@pytest.mark.parametrize("days", [0, -1, float("nan"), 1e9])
def test_days_are_some(tokens, days):
    with pytest.raises(ParameterError, match="days"):
        tokens.create("hospital", days)


def test_what_is_not_there_cannot_be_revoked(tokens):
    for identity in ("0" * 16, "../x", ""):
        with pytest.raises(ParameterError, match="no token"):
            tokens.revoke(identity)


def test_a_token_reaches_the_models_that_it_names_and_lasts_as_long_as_it_says(tokens):
    _, every = tokens.create("hospital", days=2)
    _, some = tokens.create("hospital", models=["cancer", "heart"])
    assert [every.reaches(model) for model in ("cancer", "heart", "lung")] == [True, True, True]
    assert [some.reaches(model) for model in ("cancer", "heart", "lung", "", "canc")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    begin = datetime.fromisoformat(every.created)
    assert not every.has_expired(begin)
    assert not every.has_expired(begin + timedelta(days=2, seconds=-1))
    assert every.has_expired(begin + timedelta(days=2))
    assert every.has_expired(begin + timedelta(days=9999))


def test_a_secret_is_compared_to_its_last_character(tokens):
    text, kept = tokens.create("hospital")
    for place in (22, 40, len(text) - 1):
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert tokens.authenticate(other) is None
    assert tokens.authenticate(text) == kept
