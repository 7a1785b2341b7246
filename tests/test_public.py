"""What users reach by `import fhenn` alone: names, rooms, what is missing, what is retired, what is said of values."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fhenn
from fhenn.ckks.messages import TensealMessage
from fhenn.columns import Table
from fhenn.errors import UnsupportedValue
from fhenn.session.answer import Answer
from fhenn.wire import unframe

ROOT = Path(__file__).parents[1]
ROOMS = set(fhenn._ROOMS)
EXTRAS = (
    "click", "cryptography", "fastapi", "h11", "httpcore", "httpx", "matplotlib", "onnx", "pandas", "prometheus_client",
    "pyarrow", "pydantic", "rich", "safetensors", "scipy", "sklearn", "starlette", "torch", "uvicorn",
)  # fmt: skip
"""Libraries of extras: `import fhenn` and its rooms do without."""


def in_fresh_python(code, *blocked):
    """What a program prints, as JSON, in a Python of its own in which some libraries are not installed."""
    block = f"import sys; sys.modules.update(dict.fromkeys({list(blocked)!r}))\n"
    done = subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_public_names_exist():
    for name in fhenn.__all__:
        assert getattr(fhenn, name) is not None
    assert set(dir(fhenn)) == set(fhenn.__all__) | ROOMS
    assert set(fhenn.__all__) == set(fhenn._HOME) | {"__version__"}
    with pytest.raises(AttributeError, match="nothing"):
        _ = fhenn.nothing


def test_type_checkers_see_what_there_is():
    (block,) = (node for node in ast.parse(inspect.getsource(fhenn)).body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = [alias.asname or alias.name for node in block.body for alias in node.names]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(fhenn._HOME) | set(fhenn._RETIRED) | ROOMS
    for node in block.body:
        for alias in node.names:  # and at the place where it is
            assert getattr(sys.modules.get(node.module) or __import__(node.module, fromlist="x"), alias.name)


def test_every_room_is_reached_without_an_import_of_its_own():
    for room in ROOMS:
        module = fhenn.__getattr__(room)  # whether or not something else has imported it
        assert module.__name__ == f"fhenn.{room}"
        assert all(hasattr(module, name) for name in getattr(module, "__all__", []))


def test_rooms_that_the_readme_and_the_guides_name_are_public():
    pages = [ROOT / "README.md", *(ROOT / "notebooks").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"\bfhenn\.([a-z_]+)", text)) - set(fhenn.__all__)
    packages = {path.stem for path in (ROOT / "fhenn").iterdir()}
    assert named & packages <= ROOMS
    assert {"artifacts", "interop", "session"} <= named  # it does name some


def test_import_is_light_and_planning_loads_no_tenseal():
    code = """
import json, fhenn
loaded = [name for name in sys.modules if name.startswith("fhenn.") or name in ("numpy", "tenseal")]
plan = fhenn.plan(fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()]), bounds=[-1, 1], witness=True)
fhenn.planner.verify(fhenn.Plan.from_json(plan.to_json()), fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()]))
print(json.dumps([loaded, fhenn.nn.__name__, [name for name in sys.modules if "seal" in name]]))
"""
    assert in_fresh_python(code) == [[], "fhenn.nn", []]


def test_nothing_public_needs_an_extra_but_those_that_name_it():
    code = """
import json, pydoc
import fhenn
from fhenn.ckks.messages import TensealMessage
from fhenn.columns import Table
from fhenn.errors import UnsupportedValue
from fhenn.session.answer import Answer
from fhenn.wire import unframe
listed, missing = dir(fhenn), {}
for name in (*fhenn.__all__, *fhenn._ROOMS):
    try:
        getattr(fhenn, name)
    except fhenn.errors.ExtraMissing as error:
        missing[name] = str(error)
pydoc.plain(pydoc.render_doc(fhenn))
print(json.dumps([listed, missing]))
"""
    listed, missing = in_fresh_python(code, *EXTRAS)
    assert set(missing) == {"sklearn"}
    assert "the extra sklearn brings it. Run pip install " in missing["sklearn"]
    assert set(listed) == (set(fhenn.__all__) | ROOMS) - {"sklearn"}


NEEDS = {
    "fhenn.figures.activation_figure()": "plot",
    "fhenn.figures.roc_figure([0, 1], {'twin': [0.1, 0.9]})": "plot",
    "fhenn.sklearn": "sklearn",
    "from fhenn.sklearn import EncryptedClassifier": "sklearn",
    "fhenn.from_sklearn(1)": "sklearn",
    "fhenn.from_torch(1, 2)": "torch",
    "fhenn.interop.torch": "torch",
    "fhenn.from_onnx('model.onnx')": "onnx",
    "fhenn.interop.onnx": "onnx",
    "fhenn.artifacts.model_to_bytes(fhenn.Linear([[1.0]]))": "files",
    "fhenn.RemoteServer('http://127.0.0.1:9', 'token')": "client",
    "fhenn.approx.tail_safe(fhenn.approx.SIGMOID, 9, (-4, 4), (-8, 8))": "fit",
    "fhenn.Client(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])).secret_bytes('passphrase')": "crypto",
}


def test_a_missing_extra_names_itself():
    code = f"""
import json, fhenn
found = {{}}
for use in {list(NEEDS)}:
    try:
        exec(use)
    except ImportError as error:
        found[use] = [type(error).__name__, str(error)]
print(json.dumps(found))
"""
    found = in_fresh_python(code, *EXTRAS)
    for use, extra in NEEDS.items():
        name, message = found[use]
        assert name == "ExtraMissing", use
        assert f"the extra {extra} brings it. Run pip install " in message, use


def test_importers_are_reached_from_their_room():
    assert in_fresh_python("import json, fhenn; print(json.dumps(fhenn.interop.sklearn.__name__))") == (
        "fhenn.interop.sklearn"
    )
    with pytest.raises(AttributeError, match="tensorflow"):
        _ = fhenn.interop.tensorflow


def test_progress_and_certificate_are_given_by_name():
    plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    for make in (
        lambda: fhenn.Client(plan, print),
        lambda: fhenn.Client.from_secret_bytes(plan, b"", None, print),
        lambda: fhenn.Server(fhenn.Linear([[1.0]]), plan, b"", print),
        lambda: fhenn.RemoteServer("http://127.0.0.1:9", "token", None, None, 3),
        lambda: fhenn.demo.run(2, print),
    ):
        with pytest.raises(TypeError, match="positional"):
            make()


def parameters_named(*names):
    """Every parameter of a public function or class that has one of these names, with its kind."""
    for room in ROOMS:
        module = getattr(fhenn, room)
        for name in getattr(module, "__all__", vars(module)):
            each = getattr(module, name)
            ours = callable(each) and getattr(each, "__module__", "").startswith("fhenn") and name[0] != "_"
            if not ours or (inspect.isclass(each) and issubclass(each, BaseException)):
                continue
            members = [each, *(getattr(each, n) for n in vars(each))] if inspect.isclass(each) else [each]
            for member in filter(callable, members):
                for parameter in inspect.signature(member).parameters.values():
                    if parameter.name in names:
                        yield f"{room}.{name}: {parameter}", parameter.kind


def test_they_are_so_everywhere():
    found = dict(parameters_named("progress", "certificate"))
    assert len(found) >= 6
    wrong = [where for where, kind in found.items() if kind is not inspect.Parameter.KEYWORD_ONLY]
    # what is about a certificate has a place for it
    assert {where.partition(":")[0] for where in wrong} <= {"artifacts.certificate_to_bytes", "safety.SafetyReport"}


def test_what_0_1_warned_of_is_gone():
    """CONTRIBUTING.md: a name warns for one version, and the next is without it."""
    assert not hasattr(fhenn, "encrypted")
    assert callable(fhenn.interop.encrypted.encrypted_model)  # the module, not the function of before
    assert not hasattr(fhenn.Sigmoid(), "stages")
    assert not fhenn._RETIRED
    assert fhenn.__version__.startswith("0.2."), "what 0.2 warns of goes now, and this test with it"


@pytest.fixture(scope="module")
def values():
    """One of everything that a user prints, of a model with many features and a label that is long."""
    features = 10
    rng = np.random.default_rng(0)
    nodes = [fhenn.Linear(rng.normal(size=(4, features)) / features), fhenn.Sigmoid(), fhenn.Linear(np.eye(2, 4))]
    reading = fhenn.Reading.classification(["a", "b" * 5000], "softmax", ["x" * 500 + str(n) for n in range(features)])
    model = fhenn.ImportedModel(nodes, reading)
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput", witness=True)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    upload = client.encrypt(np.zeros((1, features)))
    certificate = fhenn.certify(model, [-1, 1], plan)
    data = rng.uniform(-1, 1, (3, features))
    return [
        plan,
        client,
        server,
        model,
        reading,
        certificate,
        server.context,
        plan.parameters,
        fhenn.CipherArray.from_bytes(server.context, upload),
        fhenn.calibrate(model, data),
        fhenn.safety_report(model, [-1, 1], data, plan),
        fhenn.session.Receipt.of(upload),
        Answer.from_bytes(server.predict(upload)),
        TensealMessage.decode(unframe("ciphertexts", upload)[1]),
        fhenn.encrypted_model(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput"),
        Table.of(["name"], [np.array(["Ada Lovelace"] * 1000)]),
    ]


@pytest.mark.thorough
def test_a_repr_is_one_short_line_that_says_what_it_is(values):
    assert len({type(value) for value in values}) == len(values) == 16
    for value in values:
        text = repr(value)
        assert text.startswith(f"{type(value).__name__.removeprefix('Seal')}("), text  # as it is called in public
        assert len(text) <= 260, text
        assert text.isprintable(), text
        assert "Ada" not in text
        assert not re.search(r"=b['\"]|array\(|object at", text), text  # neither bytes nor numbers by the thousand


def test_a_repr_tells_what_distinguishes(values):
    plan, client, server, model, *_ = values
    assert f"N={plan.parameters.ring_degree}" in repr(plan)
    assert "features=10" in repr(plan)
    assert plan.model in repr(plan)
    for side in (client, server):
        assert plan.fingerprint in repr(side)
        assert client.fingerprint in repr(side)
    assert "Sigmoid" in repr(model)


def test_a_slip_of_the_finger_is_told():
    done = subprocess.run(
        [sys.executable, "-c", "import fhenn; fhenn.Sigmod"], capture_output=True, text=True, check=False
    )
    assert "Did you mean: 'Sigmoid'?" in done.stderr


def test_another_thing_in_the_place_of_a_plan_is_named():
    model = fhenn.Sequential([fhenn.Linear([[1.0]])])
    plan = fhenn.plan(model, bounds=[-1, 1])
    for use in (
        lambda: fhenn.Client(model),
        lambda: fhenn.Client.from_secret_bytes(model, b""),
        lambda: fhenn.Server(plan, model, b""),
        lambda: fhenn.certify(model, [-1, 1], model),
    ):
        with pytest.raises(UnsupportedValue, match=r"a Sequential as a plan; expected a Plan, as fhenn\.plan makes"):
            use()
