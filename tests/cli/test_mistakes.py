"""A newcomer's mistakes: none is left without a way out."""

import json

import pytest

import fhenn
from fhenn import artifacts
from fhenn.cli import run
from fhenn.cli.words import words
from fhenn.errors import FileExists
from fhenn.wire import frame


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a table, a model and its plan, and files of which nothing but headers makes sense."""
    monkeypatch.chdir(tmp_path)
    for name in ("FHENN_URL", "FHENN_TOKEN", "FHENN_STORE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "records.csv").write_text("age,crp,ill\n1,2,0\n2,1,1\n")
    model = fhenn.Linear([[1.0]])
    plan = fhenn.plan(model, bounds=[-1, 1])
    (tmp_path / "model.fhenn").write_bytes(artifacts.model_to_bytes(model))
    (tmp_path / "plan.fhenn").write_bytes(artifacts.plan_to_bytes(plan.public(), model))
    for name, kind in {"secret": "secret-key", "keys": "evaluation-context"}.items():
        (tmp_path / f"{name}.fhenn").write_bytes(frame(kind, {}, b"{}"))
    (tmp_path / "upload.fhenn").write_bytes(frame("ciphertexts", {"upload": {"part": 0}}, b""))
    (tmp_path / "sub").mkdir()
    for name in ("model.pkl", "net.pt", "words.docx"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


MISTAKES = [
    ("trian", "Did you mean 'train'?"),
    ("model ad heart", "Did you mean 'add'?"),
    ("help", "`fhenn COMMAND --help` one"),
    ("help train", "`fhenn --help` shows all commands"),
    ("version", "`fhenn --version`"),
    ("status", "`fhenn` alone"),
    ("train", "For example: fhenn train records.csv --label benign"),
    ("train records.csv", "Missing option '--label'. records.csv has the columns age, crp, ill. For example: fhenn"),
    ("train none.csv", "Missing option '--label'. For example: fhenn"),
    ("train record.csv --label ill", "record.csv: No such file or directory. Did you mean records.csv?"),
    ("train sub/records.csv --label ill", "sub/records.csv: No such file or directory."),
    ("train nowhere/records.csv --label ill", "There is no folder nowhere: create it first."),
    ("train records.csv --label il", "Did you mean 'ill'?"),
    ("train records.csv --labels ill", "Did you mean '--label'?"),
    ("train records.csv --label ill plan.fhenn", "unexpected extra argument"),
    ("import model.pkl", "skl2onnx"),
    ("import net.pt", "torch.onnx.export"),
    ("import records.csv", "`fhenn train` makes a model of it"),
    ("import model.fhenn", "It is a file of fhenn already"),
    ("import words.docx", "Give ONNX"),
    ("plan modle.fhenn --bounds-from records.csv", "Did you mean model.fhenn?"),
    ("plan model.fhenn records.csv", "Did you mean --bounds-from records.csv?"),
    ("plan records.csv", "is not a fhenn file, where a model is needed"),
    ("encrypt", "For example: fhenn encrypt records.csv"),
    ("encrypt records.csv plan.fhenn", "Did you mean --plan plan.fhenn?"),
    ("encrypt records.csv secret.fhenn", "Did you mean --secret secret.fhenn?"),
    ("evaluate upload.fhenn keys.fhenn", "Did you mean --keys keys.fhenn?"),
    ("evaluate upload.fhenn none.fhenn", "unexpected extra argument"),
    ("evaluate plan.fhenn", "`fhenn encrypt` writes uploads"),
    ("decrypt upload.fhenn", "is an upload of ciphertexts, where an answer is needed. `fhenn evaluate`"),
    ("inspect records.csv", "records.csv is not a fhenn file. Give one whose name ends in .fhenn"),
    ("inspect plam.fhenn", "Did you mean plan.fhenn?"),
    ("predict records.csv", "Missing option '--url'. Or set FHENN_URL. For example: fhenn predict"),
    ("fetch", "Or set FHENN_URL."),
    ("serve --add m model.fhenn", "requires 3 arguments. They are NAME MODEL PLAN."),
    ("demo records.csv", "for yours begin with `fhenn train`"),
    ("approx sigmoid", "For example: fhenn approx"),
]


@pytest.mark.parametrize(("line", "text"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_names_its_way_out(here, capsys, line, text):
    assert run(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in " ".join(err.split())
    assert "Traceback" not in err
    if "serve" not in line and "help" not in line:
        assert run([*line.split(), "--json"]) == 2
        assert text in json.loads(capsys.readouterr().out)["message"]


def test_keys_that_are_there_are_not_replaced_lightly(here, capsys):
    assert run(["keygen"]) == 2
    capsys.readouterr()
    assert words(FileExists("secret.fhenn")) == (
        "secret.fhenn exists already. Choose another name, or give --overwrite: what was encrypted under the keys of "
        "before can then be read by nobody."
    )


def test_a_folder_that_cannot_be_listed_gives_no_hint(here, capsys, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refused)
    assert run(["inspect", "plam.fhenn"]) == 2
    assert capsys.readouterr().err == "fhenn: plam.fhenn: No such file or directory.\n"
