"""What strangers write does nothing to a terminal: not through any command, with or without --json."""

import ast
import json
import threading
import unicodedata
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.cli import run
from fhenn.cli.show import warn
from fhenn.interop import ImportedModel, Reading
from fhenn.safety import certify
from fhenn.text import json_text, printable, printable_lines
from fhenn.wire import frame

CODES = (
    *range(0x20),  # C0
    *range(0x7F, 0xA0),  # DEL and C1, of which 0x9b is CSI
    0xAD,
    0x61C,
    *range(0x200B, 0x2010),  # without a width, marks of direction
    *range(0x2028, 0x202F),  # lines, paragraphs, overrides of direction
    *range(0x2060, 0x2070),  # isolates of direction, without a width
    *(0x115F, 0x3164, 0xFEFF, 0xFE0F, 0xE0001, 0xE0041),  # unseen
    0xDC9B,  # a byte of a file's name that is no UTF-8
)
H = "\x1b]0;owned\x07\x1b[31m[red]{x}\x9b31m\u202egnp\u2066\u200bz\u2028\x7f\x85\rfhenn: all is well\n\t[/]"
"""Titles, colours, markup, an override, lines of its own."""

IN_HEADERS = H.replace("\n", "").replace("\r", "")
FILE = H.replace("/", "")


def require_tame(text):
    for each in text:
        tame = each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert tame, f"{each!r} in {text!r}"
    assert "\nfhenn: all is well" not in text


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_shown(code):
    for text in (printable(f"a{chr(code)}b"), json_text({chr(code): chr(code)}, indent=None)):
        require_tame(text)
        assert text.isascii()
        assert f"{code:x}" in text.lower() or text in (r"a\tb", r"a\nb", r"a\rb") or '"' in text
    shown = printable_lines(f"a{chr(code)}b")
    require_tame(shown)
    assert code == 0x0A or "\n" not in shown


def test_what_people_write_stays():
    latin = ("Zürich", "naïve – “x” … µg/l ≥ 5 °C", "x\xa0y")
    for text in (*latin, "血压 [mmHg]", "дав́ление", "ضغط الدم", "נבדק", "🙂", "a\u3000b"):
        assert printable(text) == text
        assert printable_lines(f"{text}\n{text}") == f"{text}\n{text}"


def test_what_is_printed_is_bounded():
    assert printable("x" * 1000) == "x" * 200 + "…"
    assert printable("x" * 1000, 3) == "xxx…"
    assert len(printable("\x1b" * 10**6)) < 1000
    assert len(printable_lines("x" * 10**6)) < 20_000
    assert len(str(fhenn.errors.ParameterError("x" * 10**6, ""))) < 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stranger's model, plan, certificate, keys, tables, store: names of everything are hostile."""
    here = tmp_path_factory.mktemp("hostile")
    names = [f"{H}{place}" for place in range(2)]
    reading = Reading.classification([f"no{H}", f"yes{H}"], "sigmoid", names)
    model = ImportedModel([fhenn.Linear([[1.0, -1.0]])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan.public(), model))
    artifacts.write(here / "secret.fhenn", client.secret_bytes(), private=True)
    artifacts.write(here / "keys.fhenn", client.evaluation_keys())
    artifacts.write(here / "false.fhenn", artifacts.plan_to_bytes(replace(plan.public(), signature=(H, H)), model))
    certificate = certify(fhenn.Sequential([fhenn.Linear([[1.0, 1.0]]), fhenn.Sigmoid()]), [-1, 1])
    activation = replace(certificate.activations[0], node=H)
    artifacts.write(
        here / "certificate.fhenn",
        artifacts.certificate_to_bytes(replace(certificate, activations=(activation,), model=H)),
    )
    artifacts.write(here / "note.fhenn", frame(H, {H: H, "b": [H, 1.5, None]}, b""))
    lock, up = {"cipher": H, "cost": H}, {"fingerprint": H, "shape": [H, 2], "layout": H, "scale": H}
    artifacts.write(here / "locked.fhenn", frame("secret-key", {"lock": lock, "fingerprint": H}, b""))
    artifacts.write(here / "up.fhenn", frame("ciphertexts", up, b""))
    header = ",".join('"' + name.replace("\n", " ").replace("\r", " ") + '"' for name in names)
    (here / "same.json").write_text(json.dumps({name: [-1, 1] for name in names}))
    (here / "records.csv").write_text(f"{header}\n0.25,0.5\n", encoding="utf-8", newline="")
    (here / "labels.csv").write_text(
        f"{header},label\n" + "".join(f"{k % 5},{k % 3},{IN_HEADERS}{k % 2}\n" for k in range(40)),
        encoding="utf-8",
        newline="",
    )
    (here / "text.csv").write_text(f"a,b\n{IN_HEADERS},1\n", encoding="utf-8", newline="")
    (here / f"{FILE}.csv").write_text("a,b\n1,x\n")
    np.save(here / "records.npy", [[0.25, 0.5]])
    (here / "token").write_text("fhenn_x")
    return here


class Stranger(BaseHTTPRequestHandler):
    """A service that answers with hostile names, plans and details."""

    plan = b""

    def do_GET(self):
        if self.path == "/v1/models":
            body, status = json.dumps({"models": [{"name": name} for name in self.server.names]}).encode(), 200
        elif self.path.endswith("/plan") and self.server.plan:
            body, status = self.server.plan, 200
        else:
            problem = {"type": f"urn:fhenn:problem:{H}", "title": H, "status": 422, "detail": H}
            body, status = json.dumps(problem).encode(), 422
        self.send_response(status, "\x9b31m")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def do_PUT(self):
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def stranger():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    server.names, server.plan = [H], b""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


LINES = {
    "encrypt records.npy -o u.fhenn": 0,
    "evaluate u.fhenn -o a.fhenn": 0,
    "decrypt a.fhenn --receipt u.receipt.fhenn": 0,
    "decrypt a.fhenn": 2,
    "inspect u.receipt.fhenn": 0,
    "inspect model.fhenn": 0,
    "inspect plan.fhenn": 0,
    "inspect certificate.fhenn": None,  # whether a certificate with such names is one is its own affair
    "inspect note.fhenn": 0,
    "inspect locked.fhenn": 0,
    "inspect up.fhenn": 0,
    "inspect secret.fhenn": 0,
    "inspect keys.fhenn": 0,
    "inspect u.fhenn": 0,
    "inspect a.fhenn": 0,
    "encrypt records.csv": 2,
    "encrypt text.csv": 2,
    "encrypt FILE.csv": 2,
    "encrypt FILE": 2,
    "encrypt FILE.parquet": 2,
    "encrypt records.npy --plan FILE": 2,
    "encrypt records.npy --plan note.fhenn": 2,
    "encrypt records.npy --secret locked.fhenn": 2,
    "evaluate u.fhenn --plan false.fhenn": 2,
    "evaluate up.fhenn": 2,
    "evaluate u.fhenn --certificate certificate.fhenn": 2,
    "decrypt note.fhenn": 2,
    "decrypt up.fhenn": 2,
    "decrypt a.fhenn -o FILE": 2,
    "decrypt a.fhenn --receipt u.receipt.fhenn -o FILE.csv": 0,
    "keygen false.fhenn --secret FILE.s --keys FILE.k": 0,
    "plan --bounds same.json -o FILE.p": 0,
    "plan --bounds-from records.csv": 2,
    "plan FILE": 2,
    "train labels.csv --label label --epochs 1 --delimiter , -o m.fhenn": 0,
    "train labels.csv --label FILE": 2,
    "train text.csv --label a": 2,
    "certify --bounds same.json -o FILE.c": 0,
    "certify --bounds same.json --plan false.fhenn": 2,
    "certify --bounds FILE": 2,
    "import FILE": 2,
    "import FILE.onnx": 2,
    "inspect FILE": 2,
    "approx FILE --domain -1 1": 2,
    "plot FILE": 2,
    "plot square -o FILE": 2,
    "plan --FILE": 2,
    "FILE": 2,
    "token create FILE --store store": None,
    "token list --store store": 0,
    "token revoke FILE --store store": 2,
    "model list --store store": 0,
    "model add FILE model.fhenn plan.fhenn --store store": None,
    "model remove FILE --store store": None,
    "serve --store store --add m FILE plan.fhenn": 2,
    "completion FILE": 2,
    "fetch --url URL --token-file token": None,
    "fetch --url URL --token-file token --model m": None,
    "fetch --url FILE --token-file token": 2,
    "predict u.fhenn --url URL --token-file token": None,
    "predict u.fhenn --url URL --token-file token --model m --keys FILE": 2,
}


@pytest.mark.parametrize(("line", "code"), LINES.items(), ids=LINES)
def test_no_command_lets_a_stranger_at_the_terminal(folder, stranger, monkeypatch, capsys, line, code):
    monkeypatch.chdir(folder)
    for name in ("FHENN_TOKEN", "FHENN_PASSPHRASE", "FHENN_URL"):
        monkeypatch.delenv(name, raising=False)
    url = f"http://127.0.0.1:{stranger.server_port}"
    words = [word.replace("FILE", FILE).replace("URL", url) for word in line.split()]
    words[0] = words[0] if line != "FILE" else FILE
    for extra in ([], ["--json"]):
        found = run([*words, *extra])
        out, err = capsys.readouterr()
        assert found in (0, 1, 2)
        if code is not None and not extra:
            assert found == code, out + err
        require_tame(out)
        require_tame(err)
        if extra and out and not line.startswith(("serve", "plot", "FILE", "completion")):
            json.loads(out)
        if line.startswith("keygen"):
            for each in folder.glob("*.s*"):
                each.unlink()


def test_several_hostile_models_and_a_hostile_plan(folder, stranger, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    url = f"http://127.0.0.1:{stranger.server_port}"
    monkeypatch.setattr(stranger, "names", [f"{H}1", f"{H}2"])
    assert run(["fetch", "--url", url, "--token-file", "token"]) == 2
    said = capsys.readouterr().err
    require_tame(said)
    assert "--model NAME" in said
    monkeypatch.setattr(stranger, "names", [H])
    monkeypatch.setattr(stranger, "plan", (folder / "plan.fhenn").read_bytes())
    run(["fetch", "--url", url, "--token-file", "token", "-o", "fetched.fhenn"])
    for text in capsys.readouterr():
        require_tame(text)


def test_the_words_themselves_are_seen(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run(["inspect", "plan.fhenn"]) == 0
    out = capsys.readouterr().out
    assert r"\x1b[31m[red]{x}\x9b31m\u202e" in "".join(out.split())


def test_warnings_are_tame(capsys):
    warn(UserWarning(H))
    require_tame(capsys.readouterr().err)
    report = fhenn.errors.RangeReport(H, (-1.0, 1.0), 1, 2, 0.0, 3.0, 0, "It flips.")
    for warning in (fhenn.errors.RangeWarning(report), fhenn.errors.ApproximationWarning(H, (0.0, 1.0), 1, 1, 3)):
        require_tame(str(warning))


def test_summaries_of_the_library_are_tame(folder):
    plan = artifacts.plan_from_bytes(artifacts.read(folder / "false.fhenn"))
    certificate = certify(fhenn.Sequential([fhenn.Linear([[1.0, 1.0]]), fhenn.Sigmoid()]), [-1, 1])
    hostile = replace(certificate, activations=(replace(certificate.activations[0], node=H),))
    reading = artifacts.reading_from_bytes(artifacts.read(folder / "plan.fhenn"))
    for each in (plan, hostile, repr(plan), repr(hostile), repr(reading), str(reading)):
        require_tame(str(each))


@pytest.mark.thorough
def test_one_module_prints():
    """So that no command can forget to clean."""
    root = Path(fhenn.__file__).parent
    for path in root.rglob("*.py"):
        if path.relative_to(root).as_posix() in ("cli/show.py", "backends/native/build.py"):  # which imports nothing
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ""
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
            assert name not in ("print", "click.echo", "click.secho", "sys.stdout.write", "Console", "Progress"), path
            if isinstance(node, ast.ImportFrom | ast.Import) and "rich" in ast.unparse(node).split()[1]:
                raise AssertionError(f"{path} uses rich: let fhenn/cli/show.py do it")
