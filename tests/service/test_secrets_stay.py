"""The client looks at what it is given before a connection is opened: the secret key does not leave."""

import json
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from service_harness import MODEL, PLAN
from support import seal_of

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.cli import cli
from fhenn.errors import FhennError, ParameterError, UnsupportedValue, WireFormatError, WrongKind
from fhenn.service.remote import RemoteServer
from fhenn.wire import frame, unframe


@contextmanager
def listener():
    """An address, and how many connections it has seen."""
    seen = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                seen.append(connection)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
        server.shutdown(socket.SHUT_RDWR)


CLIENT = fhenn.Client(PLAN.public())
UPLOAD = CLIENT.encrypt([[0.0] * 8])


def with_secret_key():
    """Evaluation keys in their frame, with TenSEAL's message of the secret key in it."""
    meta, _ = unframe("evaluation-context", CLIENT.evaluation_keys())
    return frame("evaluation-context", meta | {"rotation_keys": 0}, CLIENT._context.secret_message())


FILES = {
    "secret": CLIENT.secret_bytes(),
    "locked": None,
    "keys": CLIENT.evaluation_keys(),
    "keys-with-secret": with_secret_key(),
    "upload": UPLOAD,
    "model": model_to_bytes(MODEL),
    "plan": plan_to_bytes(PLAN.public()),
    "table": b"a,b\n1,2\n",
    "tenseal": seal_of(CLIENT._context).tenseal.serialize(save_secret_key=True),
    "answer": frame("answer", {"sizes": [1]}, b"x"),
    "empty": b"",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("kinds")
    for name, data in FILES.items():
        (folder / name).write_bytes(CLIENT.secret_bytes("passphrase") if data is None else data)
    return folder


SECRET = {"secret": "a secret key", "locked": "a secret key", "keys-with-secret": "the secret key among them"}


@pytest.mark.parametrize("name", [name for name in FILES if name != "keys"])
def test_what_is_no_set_of_evaluation_keys_does_not_leave(files, name):
    data = (files / name).read_bytes()
    with listener() as (url, seen):
        with pytest.raises(WrongKind) as caught:
            RemoteServer(url, "token", data)
        result = CliRunner().invoke(
            cli, ["predict", str(files / "upload"), "--keys", str(files / name), "--url", url], env={"FHENN_TOKEN": "x"}
        )
        assert isinstance(result.exception, WrongKind)
        for error in (caught.value, result.exception):
            assert error.destination == url
            assert "has not left this machine" in str(error)
            assert SECRET.get(name, "") in str(error)
        assert seen == []


@pytest.mark.parametrize("name", [name for name in FILES if name != "upload"])
def test_what_is_no_upload_does_not_leave(files, name):
    with listener() as (url, seen):
        result = CliRunner().invoke(
            cli, ["predict", str(files / name), "--keys", str(files / "keys"), "--url", url], env={"FHENN_TOKEN": "x"}
        )
        assert isinstance(result.exception, WrongKind)
        assert url in str(result.exception) and str(files / name) in str(result.exception)
        assert seen == []


def test_a_connected_client_looks_too(hospital):
    for give in (hospital.remote.upload, hospital.remote.predict):
        with pytest.raises(WrongKind, match="has not left"):
            give(CLIENT.secret_bytes())
    with pytest.raises(WrongKind, match="secret key among them"):
        hospital.remote.upload(with_secret_key())
    for strange in (CLIENT, "keys.fhenn", Path("keys.fhenn"), 7):
        for give in (hospital.remote.upload, hospital.remote.predict, hospital.remote.evaluate):
            with pytest.raises(UnsupportedValue):
                give(strange)
    assert hospital.remote.digest  # of the keys of before


def test_buffers_are_bytes():
    with listener() as (url, _):
        for kind in (bytearray, memoryview):
            with pytest.raises(WrongKind, match="a secret key"):
                RemoteServer(url, "token", kind(CLIENT.secret_bytes()))


COMMANDS = {
    "plan": ["plan", "{}", "--bounds", "table.csv"],
    "certify": ["certify", "{}", "--bounds", "table.csv"],
    "certify --plan": ["certify", "model", "--plan", "{}"],
    "keygen": ["keygen", "{}", "--secret", "new", "--keys", "new2"],
    "encrypt --plan": ["encrypt", "table.csv", "--plan", "{}", "--secret", "secret"],
    "encrypt --secret": ["encrypt", "data.csv", "--plan", "plan", "--secret", "{}"],
    "evaluate": ["evaluate", "{}", "--model", "model", "--plan", "plan", "--keys", "keys"],
    "evaluate --model": ["evaluate", "upload", "--model", "{}", "--plan", "plan", "--keys", "keys"],
    "evaluate --plan": ["evaluate", "upload", "--model", "model", "--plan", "{}", "--keys", "keys"],
    "evaluate --keys": ["evaluate", "upload", "--model", "model", "--plan", "plan", "--keys", "{}"],
    "evaluate --certificate": [
        "evaluate", "upload", "--model", "model", "--plan", "plan", "--keys", "keys", "--certificate", "{}",
    ],
    "decrypt --plan": ["decrypt", "answer", "--plan", "{}", "--secret", "secret"],
    "decrypt --secret": ["decrypt", "answer", "--plan", "plan", "--secret", "{}", "--unbound"],
    "serve --add MODEL": ["serve", "--store", "store", "--add", "x", "{}", "plan"],
    "serve --add PLAN": ["serve", "--store", "store", "--add", "x", "model", "{}"],
}  # fmt: skip
RIGHT = {
    "plan": {"model"}, "certify": {"model"}, "certify --plan": {"plan"}, "keygen": {"plan"}, "encrypt --plan": {"plan"},
    "encrypt --secret": {"secret", "locked"}, "evaluate": {"upload"}, "evaluate --model": {"model"},
    "evaluate --plan": {"plan"}, "evaluate --keys": {"keys", "keys-with-secret"}, "evaluate --certificate": set(),
    "decrypt --plan": {"plan"}, "decrypt --secret": {"secret", "locked"}, "serve --add MODEL": {"model"},
    "serve --add PLAN": {"plan"},
}  # fmt: skip


@pytest.mark.parametrize("option", COMMANDS)
def test_every_option_names_what_it_got_and_what_it_wants(files, option, monkeypatch):
    monkeypatch.chdir(files)
    (files / "table.csv").write_text("feature,low,high\nx,0,1\n")
    (files / "data.csv").write_text("a,b,c,d,e,f,g,h\n" + ",".join("0" * 8) + "\n")
    for name in set(FILES) - RIGHT[option]:
        result = CliRunner().invoke(cli, [part.format(name) for part in COMMANDS[option]])
        assert isinstance(result.exception, WrongKind), (name, result.output, result.exception)
        assert str(result.exception).startswith(f"{name} is ")
        assert not result.exception.destination
    assert not (files / "store").exists() and not (files / "new").exists()


def test_keys_with_the_secret_key_are_refused_by_the_server_at_hand(files, monkeypatch):
    monkeypatch.chdir(files)
    line = ["evaluate", "upload", "--model", "model", "--plan", "plan", "--keys", "keys-with-secret"]
    result = CliRunner().invoke(cli, line)
    assert isinstance(result.exception, WireFormatError) and "secret key" in str(result.exception)


@pytest.mark.parametrize("option", ["--token-file", "--passphrase-file"])
@pytest.mark.parametrize("name", [name for name in FILES if name not in ("table", "empty")])
def test_a_file_of_text_is_one(files, option, name, monkeypatch):
    monkeypatch.chdir(files)
    with listener() as (url, seen):
        line = {
            "--token-file": ["predict", "upload", "--keys", "keys", "--url", url, option, name],
            "--passphrase-file": ["keygen", "plan", "--secret", "new", "--keys", "new2", option, name],
        }[option]
        result = CliRunner().invoke(cli, line, env={"FHENN_TOKEN": ""})
        assert isinstance(result.exception, ParameterError) and "does not hold a" in str(result.exception)
        assert seen == []


def test_one_name_for_secret_and_keys_is_refused(files, monkeypatch):
    monkeypatch.chdir(files)
    (files / "link").symlink_to("both")
    for keys in ("both", "./both", "link"):
        result = CliRunner().invoke(cli, ["keygen", "plan", "--secret", "both", "--keys", keys, "--overwrite"])
        assert isinstance(result.exception, ParameterError)
    assert not (files / "both").exists()


def test_nothing_is_written_over_a_file_of_another_kind(files, monkeypatch):
    monkeypatch.chdir(files)
    for line in (
        ["keygen", "plan", "--secret", "new-secret", "--keys", "secret"],
        ["keygen", "plan", "--secret", "new-secret-2", "--keys", "plan"],
        ["plan", "model", "--bounds", "one.json", "-o", "secret"],
        ["plan", "model", "--bounds", "one.json", "-o", "model"],
        ["plan", "model", "--bounds", "one.json", "-o", "table"],
    ):
        (files / "one.json").write_text(json.dumps([-1, 1]))
        result = CliRunner().invoke(cli, line)
        assert isinstance(result.exception, FhennError) and "would be lost" in str(result.exception)
    for name in ("secret", "plan", "model", "table"):
        assert (files / name).read_bytes() == FILES[name]
