"""The command line speaks the command line: no message that a command can reach holds Python."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

import fhenn
from fhenn import artifacts, errors
from fhenn.cli import run
from fhenn.cli.words import words
from fhenn.errors import (
    BoundsExceeded,
    ContextMismatch,
    FeatureMismatch,
    PlanError,
    RangeWarning,
    RawBounds,
    SamplesWarning,
    ShapeMismatch,
    UnwatchedWarning,
    ViolationReport,
)

ROOT = Path(fhenn.__file__).parent

PYTHON = re.compile(
    r"[A-Za-z_]\w*\((?!s\))"  # a call
    r"|(?<![-\w?])[a-z_]+=(?!\s)"  # an argument by name; not ?name=value of an address
    r"|\w(?<!fhenn)\["  # an index; not fhenn[extra], which pip wants
    r"|\*\*|\b(?:True|False|None)\b|\bfhenn\.[a-z_]+"
)

FOR_PYTHON = {
    # what takes objects of Python, which no command hands over
    "approx/polynomial.py": "Polynomial itself; a domain is checked below",
    "approx/tail.py": "functions of one's own",
    "approx/fits.py": "methods, which click chooses from; jumps, of functions of one's own",
    "artifacts/images.py": "models that are made in Python",
    "artifacts/model.py": "nodes of one's own",
    "artifacts/operators.py": "operators of one's own",
    "backends/__init__.py": "TenSEAL's values",
    "backends/plain.py": "arrays",
    "backends/seal/__init__.py": "TenSEAL's values",
    "backends/cipher.py": "layouts by name",
    "backends/seal/context.py": "TenSEAL's values",
    "backends/native/context.py": "TenSEAL's values",
    "backends/native/library.py": "a command of the shell",
    "backends/seal/tenseal_values.py": "TenSEAL's values",
    "figures/gallery.py": "a figure of Python",
    "figures/steps.py": "a figure of Python",
    "interop/encrypted.py": "models in Python",
    "interop/sklearn": "models in Python",
    "columns.py": "DataFrames and arrays",
    "ckks/algebra.py": "arithmetic in Python",
    "ckks/array.py": "TenSEAL's values, layouts by name",
    "ckks/context.py": "contexts in Python",
    "ckks/maps.py": "layouts by name",
    "ckks/expressions.py": "arithmetic in Python",
    "ckks/samples.py": "arithmetic in Python",
    "ckks/sums.py": "layouts by name",
    "planner/averages.py": "averages in Python",
    "interop/reading": "methods of models in Python",
    "interop/torch": "models in Python",
    "nn": "nodes in Python; `fhenn approx` and `fhenn plot` are below",
    "ranges/penalty.py": "training in Python",
    "ranges/report.py": "calibration in Python",
    "ranges/calibration.py": "calibration in Python",
    "training": "training in Python",
    "uncopied.py": "pickles",
    "sklearn.py": "models in Python",
    "safety/report.py": "a report of Python",
}
"""Files, or folders, whose messages name Python on purpose: no command reaches them, and why."""

PASSAGES = {
    "Give for instance Parameters(8192, (60, 40, 40, 60), scale=2.0**40).": "files state numbers, or are refused",
    "witness must be True, False or one of the degrees 7, not 7.": "--witness is a flag",
    "Give True for the best degree that fits.": "--witness is a flag",
    "relative must be True, False or None, not 7.": "--relative is a flag",
    "ranges='data' needs samples.": "asked for before",
    "Give them as inputs=, or take ranges='worst'.": "asked for before",
    "Give them as inputs=, or plan for all that the bounds allow: ranges='worst'.": "asked for before",
    "(2,) or (2, 7): (low, high) for all features, (lows, highs) of each of 7, or a pair by name, 7. Samples are "
    "given as inputs=": "files of bounds are checked before",
    "Give bounds=(low, high), as one pair or as one for each feature, or inputs= with samples.": "asked for before",
    "Give True for an accuracy relative to how the outputs vary, False for one in their own units.": "so it is here",
    "Make it known with fhenn.backends.register before, or plan again for one that is known.": "evaluators of Python",
    "Share results in that one, or keep a file for all of them: client.keep_budget(path), before the fork.": "forks",
}
"""The same for single messages."""


def messages():
    """(where, text) of what is raised or warned anywhere in the package: the literals, 7 in the place of values."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if any(name == known or name.startswith(f"{known}/") for known in FOR_PYTHON):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            kind = getattr(errors, called, None)
            raised = isinstance(kind, type) and issubclass(kind, errors.FhennError | Warning)
            if raised or called in ("warn", "UsageError", "Problem"):
                for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    if text := _text(argument):
                        yield f"{name}:{node.lineno}", text


def _text(node):
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(each.value if isinstance(each, ast.Constant) else "7" for each in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body)} {_text(node.orelse)}"
    return ""


def test_no_message_that_a_command_can_reach_holds_python():
    found = list(messages())
    assert len(found) > 300
    spoken = [(where, words(text)) for where, text in found]
    assert [each for each in spoken if PYTHON.search(each[1]) and each[1] not in PASSAGES] == []
    assert all((ROOT / known).exists() for known in FOR_PYTHON)
    assert set(PASSAGES) <= {text for _, text in found}


@pytest.mark.parametrize(
    "text",
    ["plan(…, x)", "Give bits=3.", "use x[list(names)]", "2**41", "fhenn.encrypt", "as None", "on_violation='mask'"],
)
def test_python_is_recognised(text):
    assert PYTHON.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "--model NAME",
        "plan.fhenn",
        "pip install 'fhenn[cli]'",
        "sample(s)",
        "p > 0 (none)",
        "https://a/?service=https://b",
    ],
)
def test_what_is_not_python_passes(text):
    assert not PYTHON.search(text)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            BoundsExceeded((1, 3), 9.0, -1.0, 1.5, (4, 6), (6, 3), ("age", "crp")),
            "age, crp leave the bounds of the plan in samples 5, 7; the furthest value is crp = 9 in sample 7, where "
            "the plan allows -1 to 1.5. Give --clip to take the nearest bound, or plan again with wider bounds "
            "(`fhenn plan --bounds`, or a larger --margin).",
        ),
        (
            BoundsExceeded((2,), 9.0, -1.0, 1.5, (0,), (0, 2), ("num__age",), RawBounds("age", 18.0, 90.5)),
            "num__age = 9 in sample 1, where the plan allows -1 to 1.5: in the table, age may be from 18 to "
            "90.5. Give --clip",
        ),
        (
            BoundsExceeded((2,), 9.0, -1.0, 1.5, (0,), (0, 2), (), RawBounds(0, 18.0, float("inf"))),
            "in the table, column 1 may be at least 18. Give --clip",
        ),
        (BoundsExceeded((2,), 9.0, -1.0, 1.5, (0,), (0, 2)), "column 3 leaves the bounds of the plan in sample 1;"),
        (
            BoundsExceeded((2,), 9.0, 0.0, 0.0, (0,), (0, 2)),
            "column 3 = 9 in sample 1, where the plan allows 0 to 0, since all samples that the plan was made from are "
            "equal there. Give --clip to take the nearest bound, or plan again with wider bounds",
        ),
        (
            UnwatchedWarning("Sigmoid", (-9.0, 5.0), (-4.0, 4.0)),
            "can bring [-9, 5] to it, beyond its domain [-4, 4], and no answer would show it. With `fhenn plan "
            "--witness` answers do; with --bounds-from it is seen now whether any of them does; "
            "`fhenn certify` proves what",
        ),
        (PlanError("no plan.", "What gives one: no witnesses (witness=False)."), "no witnesses (--no-witness)."),
        (
            SamplesWarning(9, (1, 2), 5, (), (0.0, 1.0)),
            "2 of 5 features are equal in all 9 samples: column 2, column 3. All seem to be of one unit, as pixels "
            "are, so each has the bounds of all together, [0, 1]. Say what they can be otherwise: --bounds.",
        ),
        (
            FeatureMismatch(("a", "c"), ("a", "b")),
            "(missing: b; unknown: c). Name the table's columns as the model does: `fhenn inspect`",
        ),
        (
            ShapeMismatch("encrypt", (40, 29), "(samples, 30), at least one sample"),
            "got 40 × 29, expected samples × 30",
        ),
        (
            ShapeMismatch("encrypt", (5, 3, 4), "(samples, 12), at least one sample: give x.reshape(len(x), 12)"),
            "got 5 × 3 × 4, expected samples × 12, at least one sample: save them as rows of 12 numbers.",
        ),
        (ContextMismatch("aa", "bb"), "one `fhenn keygen`"),
        (
            RangeWarning(ViolationReport((0, 4), 9, {"outputs": (0, 4)})),
            "samples 1, 5; found by outputs (2). Their results mean nothing: drop them with --on-violation mask",
        ),
        (
            RangeWarning(ViolationReport((0, 1, 4), 9, {"outputs": (0, 4)}, (1,))),
            "Beside them sample 2 (1) shares a ciphertext with one beyond the headroom, which may have spoilt all that "
            "is in it; a plan with --layout latency --samples 1 confines the damage to that one.",
        ),
        (errors.FileExists("s"), "or give --overwrite"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_in_the_words_of_the_command_line(error, text):
    assert text in words(error)
    assert not PYTHON.search(words(error))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of three named features, its plan and keys, and tables that do not fit."""
    here = tmp_path_factory.mktemp("words")
    reading = fhenn.interop.Reading.classification(["no", "yes"], "sigmoid", ["age", "crp", "bmi"])
    model = fhenn.interop.ImportedModel([fhenn.Linear([[1.0, -1.0, 0.5]])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan.public(), model))
    artifacts.write(here / "secret.fhenn", client.secret_bytes(), private=True)
    artifacts.write(here / "keys.fhenn", client.evaluation_keys())
    (here / "good.csv").write_text("age,crp,bmi\n0,0,0\n1,2,1\n2,1,2\n")
    (here / "far.csv").write_text("age,crp,bmi\n0,0,0\n0,7.5,0\n0,2,-3\n")
    (here / "other.csv").write_text("age,CRP,bmi\n0,0,0\n")
    (here / "text.csv").write_text("age,crp,bmi\n0,low,0\n")
    np.save(here / "narrow.npy", np.zeros((4, 2)))
    (here / "labels.csv").write_text("x,label\n" + "1,a\n" * 9)
    (here / "token").write_text("fhenn_x")
    return here


MISTAKES = [
    ("encrypt far.csv", "crp, bmi leave the bounds of the plan in samples 2, 3; the furthest value is crp = 7.5"),
    ("encrypt other.csv", "missing: crp; unknown: CRP"),
    ("encrypt text.csv", "crp"),
    ("encrypt narrow.npy", "4 × 2"),
    ("encrypt nothing.csv", "nothing.csv"),
    ("encrypt good.csv --plan no.fhenn", "no.fhenn, which should hold a plan. `fhenn plan` and `fhenn fetch` write"),
    ("encrypt good.csv --secret no.fhenn", "no.fhenn, which should hold a secret key. `fhenn keygen` writes"),
    ("keygen no.fhenn", "`fhenn plan` and `fhenn fetch`"),
    ("keygen", "secret.fhenn exists already. Choose another name, or give --overwrite"),
    ("evaluate", "upload.fhenn, which should hold an upload of ciphertexts. `fhenn encrypt` writes"),
    ("evaluate --model no.fhenn", "`fhenn train` and `fhenn import` write models"),
    ("evaluate --keys no.fhenn", "`fhenn keygen` writes"),
    ("evaluate --model plan.fhenn", "plan.fhenn is a plan, where a model is needed"),
    ("decrypt", "answer.fhenn, which should hold an answer. `fhenn evaluate` and `fhenn predict` write"),
    ("decrypt --queries 0", "--queries"),
    ("decrypt keys.fhenn --receipt plan.fhenn", "keys.fhenn is a set of evaluation keys, where an answer is needed"),
    ("plan", "--bounds FILE or --bounds-from DATA"),
    ("plan --bounds-from good.csv --accuracy -1", "accuracy must be a positive finite number, not -1.0. Give for"),
    ("plan --bounds-from good.csv --accuracy 1e-30", "no ring at 128-bit security"),
    ("plan no.fhenn --bounds-from good.csv", "`fhenn train` and `fhenn import`"),
    ("certify --bounds-from good.csv --plan no.fhenn", "`fhenn plan` and `fhenn fetch`"),
    ("train labels.csv --label label", "the labels are all 'a'"),
    ("train labels.csv --label nothing", "nothing"),
    ("import good.csv", "`fhenn train` makes a model of it"),
    ("inspect good.csv", "fhenn"),
    ("inspect no.fhenn", "no.fhenn"),
    ("approx sigmoid --domain 8 -8 --degree 3", "domain 8 -8 is empty. Give LOW HIGH"),
    ("approx sigmoid --domain -8 8", "neither --degree nor --accuracy is given. Give one"),
    ("plot square --degree 3 -o x.svg", "--degree"),
    ("predict --url http://127.0.0.1:9 --token-file token --keys no.fhenn", "upload.fhenn, which should hold"),
    ("fetch --url http://example.org --token-file token", "https"),
    ("fetch --url http://127.0.0.1:9", "FHENN_TOKEN"),
    ("token revoke nobody --store store", "nobody"),
    ("serve --store store --add m no.fhenn plan.fhenn", "`fhenn train` and `fhenn import`"),
    ("plan --nothing", "No such option '--nothing'"),
    ("nothing", "nothing"),
]


@pytest.mark.parametrize(("line", "text"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_every_mistake_is_said_in_words_and_as_json(folder, monkeypatch, capsys, line, text):
    monkeypatch.chdir(folder)
    for name in ("FHENN_TOKEN", "FHENN_PASSPHRASE", "FHENN_URL"):
        monkeypatch.delenv(name, raising=False)
    assert run(line.split()) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert text in said
    assert not PYTHON.search(said)
    if said.startswith("fhenn: "):
        lines = [each for each in said.splitlines() if not each.startswith("fhenn: read ")]
        assert len(lines) == 1
    if line.startswith(("plot", "serve", "nothing")):  # no result to print as JSON
        return
    assert run([*line.split(), "--json"]) == 2
    out, said = capsys.readouterr()
    assert said == ""
    error = json.loads(out)
    assert set(error) == {"error", "message", "data"}
    assert re.fullmatch("[a-z]+(-[a-z]+)*", error["error"])
    assert text in error["message"]
    assert not PYTHON.search(error["message"])


def test_json_errors_carry_their_data(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run(["encrypt", "far.csv", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)
    assert error["error"] == "bounds-exceeded"
    assert error["data"] == {
        "features": [1, 2],
        "largest": 7.5,
        "low": -1.0,
        "high": 1.0,
        "samples": [1, 2],
        "furthest": [1, 1],
        "names": ["crp", "bmi"],
        "raw": None,
    }
    assert run(["plan", "--json", "--nothing"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "usage",
        "message": "No such option '--nothing'.",
        "data": {"command": "fhenn plan"},
    }


def test_a_fault_of_its_own_has_an_exit_code_of_its_own(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(artifacts, "header_of", lambda file: 1 / 0)
    assert run(["inspect", "plan.fhenn"]) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "fhenn: a fault in fhenn, please report it: ZeroDivisionError" in said
    assert run(["inspect", "plan.fhenn", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "fault"


def test_memory_and_ctrl_c(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for error, code, text in ((MemoryError(), 2, "not enough memory"), (KeyboardInterrupt(), 130, "stopped")):

        def fail(file, error=error):
            raise error

        monkeypatch.setattr(artifacts, "header_of", fail)
        assert run(["inspect", "plan.fhenn"]) == code
        assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "kind", "detail", "said"),
    [
        (
            410,
            "version-gone",
            f"the current one is {'0' * 32}. Get its plan from GET /v1/models/risk/plan, and make keys and ciphertexts "
            "with it.",
            f"{'0' * 32}. Get its plan with `fhenn fetch`, make keys with `fhenn keygen`, and encrypt again.",
        ),
        (410, "version-gone", "It is gone. Get the plan of the current one.", "with `fhenn fetch`, make keys with"),
        (
            422,
            "keys-unfit",
            "Make keys with the plan of the model, from GET /v1/models/{model}/plan.",
            "`fhenn keygen`",
        ),
        (404, "model-unknown", "This token reaches risk. GET /v1/models lists them.", "This token reaches risk. (re"),
        (404, "keys-unknown", "They are gone. Send them with PUT /v1/keys/{digest}.", "Run the command again"),
        (
            413,
            "too-large",
            "Send fewer samples at once, or ask the operator.",
            "fewer rows at once, as tables of their",
        ),
        (422, "no-witness", "Ask without witness=true.", "--no-range-check"),
    ],
)
def test_a_service_speaks_to_commands_of_commands(status, kind, detail, said):
    error = errors.ServiceError(status, kind, detail, "id")
    assert said in words(error)
    assert not re.search("/v1/|witness=", words(error))
    part = words(errors.PartTooLarge(status, kind, detail, "id", 1, 2))
    assert said.partition("(re")[0] in part
    assert not PYTHON.search(part)
