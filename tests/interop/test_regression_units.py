"""Regressions whose targets are in any unit: encrypted, they are as good as on plaintext, however they are run."""

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.sklearn import EncryptedRegressor

X, TARGETS = load_diabetes(return_X_y=True)
FACTORS = (1e-9, 1.0, 1e9)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_regression_is_as_good_under_encryption(factor):
    """Targets times 1e-9 decrypted to noise once, of an R² of 0.68 where the model's was 0.72."""
    y = TARGETS * factor
    plain = Ridge(alpha=1e-3).fit(X, y)
    private = fhenn.encrypted_model(fhenn.from_sklearn(plain), X)
    assert private.score(X, y) == pytest.approx(plain.score(X, y), abs=1e-4)
    error = np.abs(private.scores(X) - private.model.scores(X)).max()
    assert error <= private.plan.errors[0] <= 1e-3 * y.std()
    estimator = EncryptedRegressor(Ridge(alpha=1e-3)).fit(X, y)
    assert estimator.score(X, y) == pytest.approx(plain.score(X, y), abs=1e-4)


def test_outputs_of_different_units_are_each_as_good():
    y = TARGETS[:, None] * FACTORS
    private = fhenn.encrypted_model(fhenn.from_sklearn(Ridge(alpha=1e-3).fit(X, y)), X)
    found = r2_score(y, private.predict(X), multioutput="raw_values")
    assert found == pytest.approx([r2_score(TARGETS, Ridge(alpha=1e-3).fit(X, TARGETS).predict(X))] * 3, abs=1e-4)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_commands_give_values_in_the_models_own_units(factor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = Ridge(alpha=1e-3).fit(X, TARGETS * factor)
    artifacts.write("model.fhenn", artifacts.model_to_bytes(fhenn.from_sklearn(plain)))
    np.savetxt("x.csv", X, delimiter=",")
    runner, said = CliRunner(), ""
    for line in (
        "plan --bounds-from x.csv --samples 512 --no-header",
        "keygen",
        "encrypt x.csv --no-header",
        "evaluate",
        "decrypt -o y.npy",
        "inspect plan.fhenn",
    ):
        result = runner.invoke(cli, line.split())
        assert result.exit_code == 0, f"{line}: {result.output}"
        said += result.output
    assert "relative to how the outputs vary" in said
    assert "units of the outputs" in said
    absolute = runner.invoke(
        cli, ["plan", "--bounds-from", "x.csv", "--no-header", "--absolute", "--accuracy", "1e-3", "-o", "own.fhenn"]
    )
    assert (absolute.exit_code == 0) == (factor < 1), absolute.output  # 1e9 ± 1e-3 has more digits than there are
    assert "relative" not in absolute.output
    got = np.load("y.npy")[:, 0]
    assert r2_score(TARGETS * factor, got) == pytest.approx(plain.score(X, TARGETS * factor), abs=1e-4)
