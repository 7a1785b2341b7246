import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import httpx
import numpy as np
import pytest
from service_harness import MODEL, PLAN, right, samples, stored

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.demo.data import load_breast_cancer
from fhenn.errors import FileMissing, ParameterError, ServiceRefused
from fhenn.service.limits import Limits
from fhenn.service.loopback import is_loopback
from fhenn.service.page import Page
from fhenn.service.serving import serve


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_plain_http_is_for_loopback(tmp_path, host):
    with pytest.raises(ServiceRefused, match="--tls-elsewhere"):
        serve(tmp_path, host, 0)


def test_a_certificate_needs_its_key(tmp_path):
    with pytest.raises(ServiceRefused, match="--ssl-keyfile"):
        serve(tmp_path, certificate=tmp_path / "x.pem")


def test_without_a_model_there_is_nothing_to_serve(tmp_path):
    with pytest.raises(ServiceRefused, match="fhenn model add NAME"):
        serve(tmp_path / "store", port=0)


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServiceRefused, match="--port 0"):
            serve(stored(tmp_path / "store"), port=taken.getsockname()[1])


def test_loopback():
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.9.9.9", "::1"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org"]))  # noqa: S104


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_limits_are_positive(name):
    for bad in (0, -1, float("nan")):
        with pytest.raises(ParameterError, match=name):
            Limits(**{name: bad})


def fhenn_command(*arguments, **options):
    return [sys.executable, "-m", "fhenn", *map(str, arguments)]


def run(*arguments, **environment):
    return subprocess.run(
        fhenn_command(*arguments), capture_output=True, text=True, check=False, env=os.environ | environment, timeout=60
    )


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415
    from ipaddress import ip_address  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fhenn test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.thorough
def test_the_command_line_over_tls(tmp_path):
    """Serve, create a token, fetch the plan, predict: as a user would, over TLS."""
    cert, key = certificate(tmp_path)
    model, plan, store = tmp_path / "model.fhenn", tmp_path / "plan.fhenn", tmp_path / "store"
    model.write_bytes(model_to_bytes(MODEL))
    plan.write_bytes(plan_to_bytes(PLAN))
    command = fhenn_command(
        "serve", "--store", store, "--add", "cancer", model, plan, "--port", 0, "--workers", 1,
        "--ssl-certfile", cert, "--ssl-keyfile", key,
    )  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            url = server.stdout.readline().split()[-1]
            assert url.startswith("https://127.0.0.1:")
            assert "`fhenn token create OWNER`" in server.stdout.readline()
            created = run("token", "create", "hospital", "--store", store)
            token = created.stdout.strip()
            assert "not shown again" in created.stderr
            fetched = tmp_path / "fetched.fhenn"
            access = {"FHENN_TOKEN": token, "FHENN_URL": url}
            assert run("fetch", "--cafile", cert, "-o", fetched, **access).returncode == 0
            client = fhenn.Client(fhenn.artifacts.plan_from_bytes(fetched.read_bytes()))
            x = samples(np.random.default_rng(1), 2)
            (tmp_path / "keys.fhenn").write_bytes(client.evaluation_keys())
            (tmp_path / "samples.fhenn").write_bytes(client.encrypt(x))
            arguments = ["predict", tmp_path / "samples.fhenn", "--keys", tmp_path / "keys.fhenn", "--cafile", cert]
            answer = tmp_path / "answer.fhenn"
            done = run(*arguments, "-o", answer, "--json", **access)
            assert done.returncode == 0, done.stderr
            assert '"model": "cancer"' in done.stdout
            assert right(client, answer.read_bytes(), x)
            for wrong, message in [
                ({"FHENN_TOKEN": ""}, "a token is needed. Set FHENN_TOKEN"),
                ({"FHENN_TOKEN": "x"}, "401, token-invalid"),
                ({"FHENN_URL": "http://example.org"}, "Use https"),
            ]:
                failed = run(*arguments, "-o", answer, **access | wrong)
                assert failed.returncode > 0
                assert message in failed.stderr and failed.stderr.count("\n") == 1
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


@pytest.mark.thorough
def test_the_demo_is_one_command_and_a_page(tmp_path):
    """What a stranger runs: the address that is printed has all that the page needs to predict."""
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_text("<!doctype html>")
    options = ["--store", tmp_path / "store", "--demo", "--page", tmp_path / "dist", "--port", 0, "--workers", 1]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(fhenn_command("serve", *options), stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            url, page, address = (server.stdout.readline().split()[-1] for _ in range(3))
            assert (page, address.partition("#token=")[0]) == (f"{url}/", f"{url}/")
            token = address.partition("#token=")[2]
            assert httpx.get(page).text == "<!doctype html>"
            (listed,) = httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {token}"}).json()["models"]
            assert (listed["name"], listed["task"], listed["features"]) == ("breast-cancer", "classification", 30)
            with fhenn.RemoteServer(url, token) as remote:
                client = fhenn.Client(remote.plan)
                remote.upload(client.evaluation_keys())
                rows, malignant, _ = load_breast_cancer()
                scores = client.decrypt(remote.predict(client.encrypt(rows[:50])))[:, 0]
            assert np.mean((scores < 0.5) == malignant[:50]) > 0.9
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    lines = (tmp_path / "log").read_text()
    assert Page.read(tmp_path / "dist").sha256 in lines
    assert token.split("_", 2)[2] not in lines + (tmp_path / "store" / "security.log").read_text()


def test_a_token_comes_as_the_address_of_a_page(tmp_path):
    from click.testing import CliRunner  # noqa: PLC0415

    from fhenn.cli import cli  # noqa: PLC0415

    command = ["token", "create", "hospital", "--store", str(tmp_path / "store"), "--page"]
    made = CliRunner().invoke(cli, [*command, "https://page.example.org:443/"])
    assert re.fullmatch(r"https://page\.example\.org/#token=fhenn_[0-9a-f]{16}_[\w-]{43}\n", made.stdout)
    told = json.loads(CliRunner().invoke(cli, [*command, "http://127.0.0.1:8600", "--json"]).stdout)
    assert told["page"] == f"http://127.0.0.1:8600/#token={told['token']}"
    elsewhere = "https://page.example.org/fhenn?service=https://inference.example.org"
    assert CliRunner().invoke(cli, [*command, elsewhere]).stdout.startswith(f"{elsewhere}#token=fhenn_")
    count = len(list((tmp_path / "store" / "tokens").iterdir()))
    for wrong in (
        "http://page.example.org",  # the page would send it in the clear
        "https://page.example.org/?service=http://inference.example.org",
        "https://page.example.org/?service=https://a.example.org&service=https://b.example.org",
        "https://page.example.org/?other=1",
        "https://page.example.org/?service=https://a.example.org#token=x",
        "https://page.example.org/#token=x",
        "https://reader:word@page.example.org/",
    ):
        refused = CliRunner().invoke(cli, [*command, wrong])
        assert isinstance(refused.exception, ServiceRefused), wrong
    assert len(list((tmp_path / "store" / "tokens").iterdir())) == count


def test_tokens_on_the_command_line(tmp_path):
    from click.testing import CliRunner  # noqa: PLC0415

    from fhenn.cli import cli  # noqa: PLC0415

    runner, store = CliRunner(), str(tmp_path / "store")
    made = runner.invoke(cli, ["token", "create", "hospital", "--store", store, "--json"])
    assert '"owner": "hospital"' in made.stdout
    listed = runner.invoke(cli, ["token", "list", "--store", store])
    assert "hospital" in listed.stdout
    (path,) = (tmp_path / "store" / "tokens").iterdir()
    assert runner.invoke(cli, ["token", "revoke", path.stem, "--store", store]).exit_code == 0
    assert runner.invoke(cli, ["token", "list", "--store", store, "--json"]).stdout == "[]\n"
    assert runner.invoke(cli, ["token", "list", "--store", store]).stdout.startswith("no tokens in ")
    with pytest.raises(ParameterError):
        runner.invoke(cli, ["token", "create", "Not an owner", "--store", store], catch_exceptions=False)
    for arguments in (
        ["serve", "-h"],
        ["model", "-h"],
        ["model", "add", "-h"],
        ["token", "-h"],
        ["predict", "-h"],
        ["fetch", "-h"],
        ["token", "create", "-h"],
    ):
        assert "Usage" in runner.invoke(cli, arguments).output
    missing = runner.invoke(cli, ["serve", "--store", store, "--add", "x", "nowhere", "nowhere"])
    assert isinstance(missing.exception, FileMissing) and "nowhere" in str(missing.exception)


def test_without_the_extra_serve_says_how_to_install_it(tmp_path):
    package = "fastapi"
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['fhenn', 'serve', '--store', {str(tmp_path)!r}]; "
        "from fhenn.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode > 0, done.stderr.count("\n")) == (True, 1)
    assert "the extra serve brings it. Run pip install " in done.stderr


def test_without_httpx_the_remote_server_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "fhenn.service.http_client", raising=False)
    with pytest.raises(fhenn.errors.ExtraMissing, match="the extra client brings it"):
        fhenn.RemoteServer("http://127.0.0.1:1", "token")


def test_a_new_store_is_told_of(tmp_path, monkeypatch, capsys):
    from fhenn.cli import run as command  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FHENN_STORE", raising=False)
    for count in (1, 0):
        assert command(["token", "create", "hospital"]) == 0
        said = capsys.readouterr()
        assert said.err.count(f"made a new store at {tmp_path / 'fhenn-store'}") == count
        assert "made" not in said.out
    Path("model.fhenn").write_bytes(model_to_bytes(MODEL))
    Path("plan.fhenn").write_bytes(plan_to_bytes(PLAN))
    assert command(["model", "add", "m", "model.fhenn", "plan.fhenn", "--store", "other"]) == 0
    assert f"made a new store at {tmp_path / 'other'}" in capsys.readouterr().err


def test_a_folder_of_other_things_is_no_store(tmp_path, capsys):
    from fhenn.cli import run as command  # noqa: PLC0415

    (tmp_path / "letter.txt").write_text("")
    for words in (["token", "create", "hospital"], ["model", "list"], ["serve"]):
        assert command([*words, "--store", str(tmp_path)]) == 2
        assert "it is no store of a service, but holds letter.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    (tmp_path / "letter.txt").unlink()
    (tmp_path / "lost+found").mkdir()
    assert command(["token", "create", "hospital", "--store", str(tmp_path)]) == 0


def test_the_address_of_a_page_has_a_host_to_fill_in():
    from fhenn.cli.shown_page import page_address, where_of  # noqa: PLC0415

    for host in ("0.0.0.0", "[::]"):  # noqa: S104
        assert page_address(f"https://{host}:8700") == "https://HOST:8700/"
        assert "that the certificate names" in where_of(f"https://{host}:8700")
    assert where_of("https://example.org") == ""
