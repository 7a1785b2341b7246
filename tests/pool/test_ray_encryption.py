"""Tables that a Ray cluster encrypts with the public key."""

import os
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray")
pandas = pytest.importorskip("pandas")

from click.testing import CliRunner  # noqa: E402

import fhenn  # noqa: E402
from fhenn import artifacts  # noqa: E402
from fhenn.cli import cli  # noqa: E402
from fhenn.errors import (  # noqa: E402
    BoundsExceeded,
    FeatureMismatch,
    NonFiniteValue,
    ParameterError,
    PlanError,
    VersionsDiffer,
)
from fhenn.interop import ImportedModel, Reading  # noqa: E402
from fhenn.pool import RayEncryptor  # noqa: E402
from fhenn.session import join, receipt_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # of Ray's own settings

ROWS = 70
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module", autouse=True)
def _entered():
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    yield
    ray.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 300_000)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a plan, keys, and three Parquet files."""
    here = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(3)
    model = ImportedModel([fhenn.Linear([[1.0, -0.5, 0.25]])], Reading.regression(NAMES))
    plan = fhenn.plan(model, bounds=[-1, 1], layout="latency", public_key=True)
    client = fhenn.Client(plan)
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan.public(), model))
    artifacts.write(here / "secret.fhenn", client.secret_bytes(), private=True)
    client.keep_budget(here / "secret.fhenn.budget")
    artifacts.write(here / "keys.fhenn", client.evaluation_keys())
    frame = pandas.DataFrame(rng.uniform(-1, 1, (ROWS, 3)), columns=["c", "b", "a"])
    frame["label"] = "x"
    (here / "rows").mkdir()
    for place, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        frame.iloc[rows].to_parquet(here / "rows" / f"{place}.parquet", row_group_size=7)
    frame.to_csv(here / "rows.csv", index=False)
    return here, frame


@pytest.fixture
def sides(folder):
    here, frame = folder
    plan = artifacts.plan_from_bytes((here / "plan.fhenn").read_bytes())
    client = fhenn.Client.from_secret_bytes(plan, (here / "secret.fhenn").read_bytes())
    model = artifacts.model_from_bytes((here / "model.fhenn").read_bytes())
    keys = (here / "keys.fhenn").read_bytes()
    return plan, client, keys, fhenn.Server(model, plan, keys), model.scores(frame[NAMES].to_numpy())


@pytest.mark.parametrize("name", ["rows/*.parquet", "rows.csv"])
def test_rows_come_in_their_order_by_name(folder, sides, name):
    here, _ = folder
    plan, client, keys, server, twin = sides
    with RayEncryptor(plan, keys) as encryptor:
        stream = encryptor.encrypt_stream(encryptor.read(str(here / name)))
        upload = list(stream)
    assert len(upload) > 4
    assert receipt_of(upload) == stream.receipt
    answers = server.predict_stream(upload)
    found = np.concatenate(list(client.decrypt_stream(answers, receipt=stream.receipt, scores=True)))
    assert np.abs(found - twin).max() <= plan.error


def test_the_command_encrypts_there_too(folder, sides, tmp_path):
    here, _ = folder
    plan, client, _, server, twin = sides
    out = tmp_path / "upload.fhenn"
    line = ["encrypt", str(here / "rows" / "*.parquet"), "--ray", "auto", "--public-key", str(here / "keys.fhenn")]
    line += ["--plan", str(here / "plan.fhenn"), "-o", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.pool.encryption.Cluster", lambda address, cores: Entered())
        done = CliRunner().invoke(cli, line)
    assert done.exit_code == 0, done.output
    receipt = fhenn.session.Receipt.from_bytes((tmp_path / "upload.receipt.fhenn").read_bytes())
    answers = server.predict_stream(out.read_bytes())
    found = np.concatenate(list(client.decrypt_stream(answers, receipt=receipt, scores=True)))
    assert np.abs(found - twin).max() <= plan.error
    for change, words in ((["--resume"], "--resume"), (["--secret", "x"], "")):
        refused = CliRunner().invoke(cli, line[:4] + line[6:] + change)  # without the public key
        assert isinstance(refused.exception, ParameterError)
        assert words in str(refused.exception)


class Entered:
    """The cluster that this process is in."""

    ray = ray

    def close(self):
        pass


def test_what_cannot_be_read_or_encrypted(folder, sides, tmp_path):
    here, frame = folder
    plan, _, keys, _, _ = sides
    frame[["a", "label"]].to_parquet(tmp_path / "few.parquet")
    frame.assign(a=9.0).to_parquet(tmp_path / "far.parquet")
    frame.assign(a=np.nan).to_parquet(tmp_path / "empty.parquet")
    with RayEncryptor(plan, keys) as encryptor:
        for place, error in (
            ("few.parquet", FeatureMismatch),
            ("far.parquet", BoundsExceeded),
            ("empty.parquet", NonFiniteValue),
            ("none.parquet", ParameterError),
            ("rows.txt", ParameterError),
        ):
            with pytest.raises(error):
                list(encryptor.encrypt_stream(encryptor.read(str(tmp_path / place))))
        with pytest.raises(ParameterError, match="numbers"):
            list(encryptor.encrypt_stream(encryptor.read(str(here / "rows.csv"), ["a", "b", "label"])))
    with pytest.raises(PlanError):
        RayEncryptor(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1]), keys)


def test_another_version_on_a_node_is_told(sides, monkeypatch):
    plan, _, keys, _, twin = sides
    with RayEncryptor(plan, keys) as encryptor:
        monkeypatch.setattr("fhenn.pool.encryption.fhenn.__version__", "9.9")
        with pytest.raises(VersionsDiffer):
            list(encryptor.encrypt_stream(np.zeros((len(twin), 3))))


def test_a_process_that_dies_is_replaced(folder, sides, tmp_path, monkeypatch):
    """The first to come ends its process; its part is done again."""
    here, _ = folder
    plan, client, keys, server, twin = sides
    monkeypatch.setattr("fhenn.pool.encryption._encrypt_part", Dying(tmp_path / "died"))
    with RayEncryptor(plan, keys) as encryptor:
        upload = join(encryptor.encrypt_stream(encryptor.read(str(here / "rows" / "*.parquet"))))
    assert (tmp_path / "died").exists()
    found = np.concatenate(
        list(client.decrypt_stream(server.predict_stream(upload), receipt=_receipt(upload), scores=True))
    )
    assert np.abs(found - twin).max() <= plan.error


def _receipt(upload):
    return receipt_of(fhenn.session.split(upload))


def Dying(mark: Path):  # noqa: N802  (a function that Ray can send)
    def encrypt(version, plan, keys, memory, values, part, stream):
        from fhenn.pool.encryption import _encryptor  # noqa: PLC0415

        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return _encryptor(plan, keys, memory)._encrypt_part(values, part, stream)
        os._exit(9)

    return encrypt
