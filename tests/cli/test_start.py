"""`fhenn` alone: at every stage of a session, with files that do not belong together, and with strange ones."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.cli import folder as folders
from fhenn.cli import run
from fhenn.cli.folder import look
from fhenn.session.receipt import Receipt
from fhenn.text import printable
from fhenn.wire import frame


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, without a service."""
    monkeypatch.chdir(tmp_path)
    for name in ("FHENN_URL", "FHENN_TOKEN", "FHENN_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def session():
    """The files of a session, by their names."""
    model = fhenn.Linear([[0.5, -0.5]])
    plan = fhenn.plan(model, bounds=[[-1, 0], [3, 10]])
    client = fhenn.Client(plan)
    upload = client.encrypt(np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]))
    return {
        "model.fhenn": artifacts.model_to_bytes(model),
        "plan.fhenn": artifacts.plan_to_bytes(plan.public(), model),
        "secret.fhenn": client.secret_bytes(),
        "keys.fhenn": client.evaluation_keys(),
        "upload.fhenn": upload,
        "upload.receipt.fhenn": Receipt.of(upload).to_bytes(),
        "answer.fhenn": fhenn.Server(model, plan, client.evaluation_keys()).predict(upload),
    }


@pytest.fixture(scope="module")
def other():
    """The same of another model, with other keys."""
    model = fhenn.Linear([[0.25, -0.5]])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-5)
    client = fhenn.Client(plan)
    upload = client.encrypt(np.array([[0.0, 1.0]]))
    return {
        "model.fhenn": artifacts.model_to_bytes(model),
        "plan.fhenn": artifacts.plan_to_bytes(plan.public(), model),
        "secret.fhenn": client.secret_bytes(),
        "keys.fhenn": client.evaluation_keys(),
        "upload.fhenn": upload,
        "answer.fhenn": fhenn.Server(model, plan, client.evaluation_keys()).predict(upload),
    }


def put(folder, files, *names):
    for name in names or files:
        (folder / name).write_bytes(files[name])


def told(capsys):
    """What it says as JSON; as text it ends with the same line."""
    assert run(["--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert run([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert printable(data["next"]["command"] or data["next"]["why"]) in out
    return data


def states(data):
    return {step["name"]: step["state"] for step in data["steps"] if step["name"] != "certify"}


def says(data, name):
    return next(line["says"] for step in data["steps"] for line in step["lines"] if line["name"] == name)


def test_an_empty_folder_begins_with_the_demo(here, capsys):
    data = told(capsys)
    assert set(states(data).values()) == {"missing"}
    assert data["next"]["command"] == "fhenn demo"
    assert data["next"]["also"][0]["command"] == "fhenn train records.csv --label COLUMN"


def test_a_table_is_named_and_its_columns(here, capsys):
    (here / "my patients.csv").write_text("age,crp,ill\n1,2,0\n")
    data = told(capsys)
    assert data["next"]["command"] == "fhenn train 'my patients.csv' --label COLUMN"
    assert data["next"]["why"].endswith("COLUMN is what to predict: age, crp, ill")
    (here / "my patients.csv").write_text(",".join(f"c{place}" for place in range(20)) + "\n")
    assert told(capsys)["next"]["why"].endswith(": c0, c1, c2, c3, c4, c5, 13 others or c19")
    (here / "records.csv").write_text("age;crp;Target\n1;2;0\n")
    assert told(capsys)["next"]["command"] == "fhenn train records.csv --delimiter ';' --label Target"
    (here / "network.onnx").write_bytes(b"")
    assert told(capsys)["next"]["command"] == "fhenn import network.onnx"


@pytest.mark.parametrize("columns", ["id,score", "score", "score_a,score_b", "id,prediction,score"])
def test_a_table_of_ones_own_may_have_columns_as_results_have(here, session, capsys, columns):
    (here / "records.csv").write_text(f"{columns}\n1,2,3\n")
    assert told(capsys)["next"]["command"].startswith("fhenn train records.csv")
    if "prediction" not in columns:
        put(here, session)
        for changed in (1, 2**32):  # before and after the answer
            os.utime(here / "records.csv", (changed, changed))
            assert told(capsys)["next"]["command"].startswith("fhenn decrypt")


def test_usual_names_are_seen_in_a_folder_of_any_size(here, session, monkeypatch):
    put(here, session)
    monkeypatch.setattr("fhenn.cli.folder._MOST_ENTRIES", 0)
    monkeypatch.setattr("fhenn.cli.folder._MOST_READ", 8)
    assert look(here).named("secret.fhenn").kind == "secret-key"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(here, session, monkeypatch):
    put(here, session, "model.fhenn")
    state = (here / "model.fhenn").stat()
    (here / "model.fhenn").unlink()
    os.mkfifo(here / "model.fhenn")
    monkeypatch.setattr("pathlib.Path.stat", lambda self, **_: state)
    assert look(here).named("model.fhenn").fault == "it is no file"


def test_who_follows_it_gets_from_a_table_to_predictions(here, capsys):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in rows]
    (here / "records.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    followed = []
    while not (command := told(capsys)["next"]["command"]).startswith("fhenn serve"):
        followed.append(command.split()[1])
        assert run(shlex.split(command)[1:]) == 0, command
        capsys.readouterr()
        assert len(followed) < 10
    assert followed == ["train", "plan", "keygen", "encrypt", "evaluate", "decrypt"]
    assert (here / "predictions.csv").read_text().count("\n") == 61
    data = told(capsys)
    assert set(states(data).values()) == {"done"}
    assert data["others"] == []
    assert data["next"]["command"] == "fhenn serve --add model model.fhenn plan.fhenn"
    os.utime(here / "predictions.csv", (1, 1))
    assert states(told(capsys))["decrypt"] == "stale"


@pytest.mark.parametrize(
    ("names", "command"),
    [
        (["model.fhenn"], "fhenn plan --bounds-from records.csv"),
        (["model.fhenn", "plan.fhenn"], "fhenn keygen"),
        (["model.fhenn", "plan.fhenn", "secret.fhenn", "keys.fhenn"], "fhenn encrypt records.csv"),
        (["model.fhenn", "plan.fhenn", "keys.fhenn", "upload.fhenn"], "fhenn evaluate upload.fhenn"),
        (["plan.fhenn"], "fhenn keygen"),
        (["plan.fhenn", "secret.fhenn", "keys.fhenn"], "fhenn encrypt records.csv"),
        (
            ["plan.fhenn", "secret.fhenn", "upload.receipt.fhenn", "answer.fhenn", "keys.fhenn"],
            "fhenn decrypt answer.fhenn -o predictions.csv",
        ),
        (
            ["plan.fhenn", "secret.fhenn", "upload.fhenn", "answer.fhenn", "keys.fhenn"],
            "fhenn decrypt answer.fhenn --receipt upload.fhenn -o predictions.csv",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_side_is_told_its_next_step(here, session, capsys, names, command):
    put(here, session, *names)
    assert told(capsys)["next"]["command"] == command


@pytest.mark.parametrize(
    ("names", "side", "why"),
    [
        (["plan.fhenn", "secret.fhenn", "keys.fhenn", "upload.fhenn"], "client", "send upload.fhenn and keys.fhenn"),
        (["model.fhenn", "plan.fhenn", "keys.fhenn"], "server", "wait for the upload"),
        (
            ["model.fhenn", "plan.fhenn", "keys.fhenn", "upload.fhenn", "answer.fhenn"],
            "server",
            "send answer.fhenn to the client",
        ),
    ],
    ids=["client", "server before", "server after"],
)
def test_where_it_is_the_others_turn_it_says_what_to_send(here, session, capsys, names, side, why):
    put(here, session, *names)
    advice = told(capsys)["next"]
    assert advice["command"] is None
    assert advice["side"] == side
    assert advice["why"].startswith(why)


def test_with_a_service_the_client_fetches_and_predicts(here, session, capsys, monkeypatch):
    monkeypatch.setenv("FHENN_URL", "https://host")
    assert told(capsys)["next"]["command"] == "fhenn fetch"
    put(here, session, "plan.fhenn", "secret.fhenn", "keys.fhenn")
    (here / "new.csv").write_text("a,b\n1,2\n")
    assert told(capsys)["next"]["command"] == "fhenn predict new.csv -o predictions.csv"


@pytest.mark.parametrize(
    ("name", "step", "text", "command"),
    [
        ("model.fhenn", "plan", "for another model", "fhenn plan --bounds-from records.csv"),
        ("plan.fhenn", "plan", "for another model", "fhenn plan --bounds-from records.csv"),
        ("secret.fhenn", "keygen", "made for another plan", "fhenn keygen --secret secret-2.fhenn --keys keys-2.fhenn"),
        ("keys.fhenn", "keygen", "of another key", "fhenn keygen --secret secret-2.fhenn --keys keys-2.fhenn"),
        ("upload.fhenn", "encrypt", "under another key", "fhenn encrypt records.csv"),
        ("answer.fhenn", "evaluate", "answers another upload", "fhenn evaluate upload.fhenn"),
    ],
)
def test_what_does_not_belong_is_said_and_made_anew(here, session, other, capsys, name, step, text, command):
    put(here, session)
    put(here, other, name)
    data = told(capsys)
    assert states(data)[step] == "stale"
    shown = "plan.fhenn" if name == "model.fhenn" else name
    assert says(data, shown).startswith(text)
    assert data["next"]["command"] == command


def test_keys_of_another_secret_key_with_the_same_parameters(here, session, capsys):
    plan = artifacts.plan_from_bytes(session["plan.fhenn"])
    put(here, session)
    (here / "keys.fhenn").write_bytes(fhenn.Client(plan).evaluation_keys())
    assert "of another key" in says(told(capsys), "keys.fhenn")


def test_a_plan_of_the_same_model_asks_for_another_upload(here, session, capsys):
    model = artifacts.model_from_bytes(session["model.fhenn"])
    plan = fhenn.plan(model, bounds=[[-2, 0], [3, 10]])
    put(here, session)
    (here / "plan.fhenn").write_bytes(artifacts.plan_to_bytes(plan.public(), model))
    data = told(capsys)
    assert states(data)["plan"] == "done"
    assert says(data, "upload.fhenn") == "for another plan: encrypt again"


def test_what_was_made_before_another_plan_is_marked(here, session, capsys):
    model = artifacts.model_from_bytes(session["model.fhenn"])
    put(here, session)
    (here / "predictions.csv").write_text("prediction,score\n1,0.5\n")
    assert states(told(capsys))["decrypt"] == "done"
    bounds = ["--bounds", "bounds.json"]
    (here / "bounds.json").write_text("[[-1, 3], [0, 10]]")
    assert run(["plan", *bounds]) == 0  # the same one: all goes on
    assert "another plan" not in capsys.readouterr().err
    assert states(told(capsys))["decrypt"] == "done"
    assert run(["plan", *bounds, "--accuracy", "1e-6"]) == 0
    capsys.readouterr()
    assert says(data := told(capsys), "answer.fhenn") == "for another plan: evaluate again"
    assert says(data, "predictions.csv") == "older than plan.fhenn"
    assert {states(data)[step] for step in ("keygen", "encrypt", "evaluate", "decrypt")} == {"stale"}
    for name in ("upload", "answer"):
        (here / f"{name}.fhenn").unlink()
    assert says(told(capsys), "predictions.csv") == "older than plan.fhenn"
    assert artifacts.plan_from_bytes(artifacts.read("plan.fhenn")).model == fhenn.planner.fingerprint_of(model)


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "JSON"])
def test_a_plan_says_what_belonged_to_the_one_that_it_replaces(here, session, capsys, as_json):
    put(here, session)
    (here / "bounds.json").write_text("[[-1, 3], [0, 10]]")
    line = ["plan", "--bounds", "bounds.json", *as_json]
    assert run([*line, "-o", "other.fhenn", "--accuracy", "1e-6"]) == 0
    assert "another plan" not in capsys.readouterr().err
    assert run([*line, "--accuracy", "1e-6"]) == 0
    out, err = capsys.readouterr()
    names = "secret.fhenn, keys.fhenn, upload.fhenn, answer.fhenn"
    assert f"fhenn: warning: plan.fhenn was another plan, for which {names} were made: make keys again" in err
    assert not as_json or json.loads(out)["orphaned"] == names.split(", ")
    assert run([*line, "--accuracy", "1e-6"]) == 0
    assert "another plan" not in capsys.readouterr().err
    (here / "plan.fhenn").write_bytes(session["plan.fhenn"])
    for name in ("secret", "keys", "answer"):
        (here / f"{name}.fhenn").unlink()
    assert run([*line, "--accuracy", "1e-6"]) == 0
    assert "for which upload.fhenn was made: encrypt again" in capsys.readouterr().err


def test_files_of_other_names_are_taken_where_they_belong(here, session, other, capsys):
    names = {"model.fhenn": "net.fhenn", "plan.fhenn": "net plan.fhenn", "secret.fhenn": "-s.fhenn"}
    for name, data in session.items():
        (here / names.get(name, name)).write_bytes(data)
    put(here, other, "plan.fhenn", "secret.fhenn")
    (here / "answer.fhenn").unlink()
    data = told(capsys)
    assert data["next"]["command"] == "fhenn evaluate upload.fhenn --model net.fhenn --plan 'net plan.fhenn'"
    assert {each["name"] for each in data["others"]} == {"plan.fhenn", "secret.fhenn"}
    (here / "upload.fhenn").unlink()
    (here / "upload.receipt.fhenn").unlink()
    data = told(capsys)
    assert data["next"]["command"] == "fhenn encrypt records.csv --plan 'net plan.fhenn' --secret ./-s.fhenn"


def test_before_the_keys_are_used_it_names_what_can_be_measured(here, session, capsys):
    put(here, session, "model.fhenn", "plan.fhenn", "secret.fhenn", "keys.fhenn")
    (here / "records.csv").write_text("a,b\n1,2\n")
    also = [each["command"] for each in told(capsys)["next"]["also"]]
    assert also == [
        "fhenn compare model.fhenn records.csv --plan plan.fhenn",
        "fhenn certify",
    ]


def test_a_run_that_was_stopped_goes_on(here, session, capsys):
    put(here, session, "model.fhenn", "plan.fhenn", "keys.fhenn", "upload.fhenn")
    (here / ".answer.fhenn.unfinished").write_bytes(b"")
    assert told(capsys)["next"]["command"] == "fhenn evaluate upload.fhenn --resume"


def test_certificates_belong_to_a_model_and_a_plan(here, session, other, capsys):
    put(here, session)
    model = artifacts.model_from_bytes(session["model.fhenn"])
    artifacts.write(here / "c.fhenn", artifacts.certificate_to_bytes(fhenn.certify(model, [-1, 1])))
    assert says(told(capsys), "c.fhenn").startswith("for the model")
    put(here, other, "model.fhenn")
    assert says(told(capsys), "c.fhenn").startswith("for another model")
    (here / "c.fhenn").unlink()
    artifacts.write(here / "certificate.json", fhenn.certify(model, [-1, 1]).to_json().encode())
    assert says(told(capsys), "certificate.json").startswith("for another model")
    put(here, session, "model.fhenn")
    assert says(told(capsys), "certificate.json").startswith("for the model")
    text = (here / "certificate.json").read_bytes()
    for path in here.glob("*.fhenn"):
        path.unlink()
    (here / "certificate.json").write_bytes(text)
    step = next(step for step in told(capsys)["steps"] if step["name"] == "certify")
    assert (step["state"], step["lines"][0]["says"].endswith("which is not here")) == ("elsewhere", True)
    alone = b'{"model": "%s"}' % (b"0" * 16)
    for text in (b"", b"[]", b'{"model": 3}', b'{"model": "a"}', alone, b"\xff", b"{" * (2 << 20)):
        (here / "certificate.json").write_bytes(text)
        data = told(capsys)
        assert data["next"]["command"].startswith("fhenn ")
        assert next(step for step in data["steps"] if step["name"] == "certify")["state"] != "done"


DAMAGE = {
    "empty": lambda data: b"",
    "cut in its header": lambda data: data[:40],
    "cut": lambda data: data[:-3],
    "no fhenn file": lambda data: b"age,crp\n1,2\n" * 99,
    "of a later format": lambda data: data[:5] + b"\xff" + data[6:],
    "header of 4 GB": lambda data: data[:6] + b"\xff\xff\xff\xff" + data[10:],
    "header not JSON": lambda data: data[:12] + b"\x00\xff" + data[14:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("model.fhenn", "train"),
        ("plan.fhenn", "plan"),
        ("secret.fhenn", "keygen"),
        ("keys.fhenn", "keygen"),
        ("upload.fhenn", "encrypt"),
        ("answer.fhenn", "evaluate"),
    ],
)
def test_damaged_files_are_said_in_words(here, session, capsys, damage, name, step):
    put(here, session)
    (here / name).write_bytes(DAMAGE[damage](session[name]))
    data = told(capsys)
    assert states(data)[step] == "damaged"
    assert says(data, name).startswith("it ") or "header" in says(data, name)


def test_strange_things_in_a_folder(here, session, capsys):
    put(here, session)
    (here / "model.fhenn").unlink()
    (here / "model.fhenn").mkdir()
    (here / "gone.fhenn").symlink_to("nowhere")
    (here / "loop.fhenn").symlink_to("loop.fhenn")
    (here / "e\x1b[31m\u202e.fhenn").write_bytes(b"")
    (here / "x\x1b[31m.csv").write_bytes(b"\xff\xfe" * 9000)
    (here / "dir.csv").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(here / "waits.fhenn")
        os.mkfifo(here / "waits.csv")
    data = told(capsys)
    assert says(data, "model.fhenn") == "it is a folder"
    run([])
    assert "\x1b" not in capsys.readouterr().out


def test_headers_that_say_nonsense(here, capsys):
    for kind in ("model", "plan", "secret-key", "evaluation-context", "ciphertexts", "answer", "receipt", "ids", "x"):
        meta = {"fingerprint": 7, "parameters": ["a"], "shape": ["a"], "upload": 3, "binding": [1], "lock": 1, "of": {}}
        (here / f"{kind}.fhenn").write_bytes(frame(kind, meta, b""))
    assert told(capsys)["steps"]


def test_what_nobody_may_read(here, session, capsys, monkeypatch):
    put(here, session)
    names = []

    def refused(path, *_):
        names.append(path.name)
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refused)
    data = told(capsys)
    assert says(data, "model.fhenn") == "permission denied"
    assert "secret.fhenn" in names


def test_a_folder_that_cannot_be_listed(here, capsys, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refused)
    data = told(capsys)
    assert data["fault"] == "permission denied"
    assert data["next"]["command"] == "fhenn demo"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_a_folder_that_is_gone(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from fhenn.cli import run; sys.exit(run([]))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, env=environment, capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stderr
    assert "fhenn demo" in done.stdout


def test_of_a_secret_key_its_header_is_read_alone(here, session):
    """Its body is on no page that is read: the file is opened without a buffer, and read up to its body."""
    put(here, session, "secret.fhenn")
    read = []
    kept = (here / "secret.fhenn").stat()

    class Watching:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def read(self, size):
            read.append(size)
            found = self.file.read(size)
            assert os.lseek(self.file.fileno(), 0, os.SEEK_CUR) == sum(read)  # no buffer reads on
            return found

    opened = folders._open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.cli.folder._open", lambda path: Watching(opened(path)))
        found = look(here)
    start = len(session["secret.fhenn"]) - artifacts.header_of(session["secret.fhenn"]).size
    assert found.files[0].kind == "secret-key"
    assert sum(read) == start
    assert (here / "secret.fhenn").stat().st_mtime == kept.st_mtime


def test_nothing_is_written(here, session):
    put(here, session)
    before = {path.name: path.stat().st_mtime_ns for path in here.iterdir()}
    run([])
    assert {path.name: path.stat().st_mtime_ns for path in here.iterdir()} == before


def test_it_imports_neither_numbers_nor_ciphertexts():
    code = (
        "import sys; from fhenn.cli import run; run([]); print([n for n in ('numpy', 'tenseal') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_help_and_json_before_a_command(capsys):
    assert run(["--help"]) == 0
    assert "Usage" in capsys.readouterr().out
    assert run(["--json", "info"]) == 2
    assert "behind the command" in json.loads(capsys.readouterr().out)["message"]


def test_a_terminal_of_ascii_shows_it(here, session):
    put(here, session, "model.fhenn", "plan.fhenn")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "fhenn"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fhenn keygen" in done.stdout
