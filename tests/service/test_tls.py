"""Certificates that are refused: which file, which option, and the way out."""

import json
import os
import shutil
import signal
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest
from service_harness import Running, stored, tls_of, wait_for

import fhenn
from fhenn.cli import run
from fhenn.errors import FileMissing, ParameterError, ServiceRefused, ServiceUnreachable
from fhenn.service.serving import serve
from fhenn.service.tls import require_pair, trust, way_out_of


@contextmanager
def listening(context=None):
    """The port of something that shakes hands, with TLS where it has a context, and says no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    if context is None:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    else:
                        connection = context.wrap_socket(connection, server_side=True)
                except OSError:
                    pass
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def files(tmp_path):
    return tls_of(tmp_path)[:2]


@pytest.fixture
def port(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with listening(context) as port:
        yield port


def test_a_certificate_that_is_not_trusted(port, monkeypatch, capsys):
    with pytest.raises(ServiceUnreachable, match="self-signed") as caught:
        fhenn.RemoteServer(f"https://127.0.0.1:{port}", "token")
    assert "verify=…, or --cafile FILE" in str(caught.value)
    monkeypatch.setenv("FHENN_TOKEN", "token")
    assert run(["fetch", "--url", f"https://127.0.0.1:{port}"]) == 2
    said = capsys.readouterr().err
    assert "trust it: --cafile FILE." in said
    assert "that the service is running" not in said


def test_a_certificate_of_another_address(port, files):
    with pytest.raises(ServiceUnreachable, match=r"must name the host of this address \(subjectAltName\)"):
        fhenn.RemoteServer(f"https://localhost:{port}", "token", verify=files[0])


def test_what_does_not_speak_tls():
    with listening() as port, pytest.raises(ServiceUnreachable, match="does not speak TLS"):
        fhenn.RemoteServer(f"https://127.0.0.1:{port}", "token")


def test_a_certificate_out_of_date():
    error = ssl.SSLCertVerificationError()
    error.verify_code = 10
    assert "renew" in way_out_of(error)
    assert way_out_of(OSError()) == way_out_of(None) == ""


def test_certificates_to_trust(tmp_path, files, monkeypatch, capsys):
    assert trust(files[0]).cert_store_stats()["x509"] == 1
    with pytest.raises(FileMissing, match=r"missing\.crt"):
        fhenn.RemoteServer("https://127.0.0.1:1", "token", verify=str(tmp_path / "missing.crt"))
    with pytest.raises(ParameterError, match="does not hold certificates"):
        trust(files[1])
    monkeypatch.setenv("FHENN_TOKEN", "token")
    assert run(["fetch", "--url", "https://127.0.0.1:1", "--cafile", str(tmp_path / "missing.crt")]) == 2
    said = capsys.readouterr().err
    assert "missing.crt, which should hold certificates to trust. Name another: --cafile." in said


def test_a_pair_that_a_server_can_use(files):
    require_pair(*files)


def test_the_file_that_is_wrong_is_named(tmp_path, files):
    certificate, key = files
    (tmp_path / "other").mkdir()
    other = tls_of(tmp_path / "other")[1]
    empty, broken = tmp_path / "empty.pem", tmp_path / "broken.pem"
    empty.write_bytes(b"")
    broken.write_bytes(certificate.read_bytes().replace(b"M", b"!"))
    for pair, message in (
        ((key, certificate), f"--ssl-certfile {key} holds a key, and --ssl-keyfile {certificate} a certificate. Swap"),
        ((empty, key), f"--ssl-certfile {empty} holds no certificate"),
        ((certificate, empty), f"--ssl-keyfile {empty} holds no private key"),
        ((certificate, other), f"--ssl-keyfile {other} is not the key of the certificate in --ssl-certfile"),
        ((broken, key), "cannot be used"),
        ((certificate, tmp_path), f"--ssl-keyfile {tmp_path} cannot be read: Is a directory"),
    ):
        with pytest.raises(ServiceRefused) as caught:
            serve(tmp_path / "store", port=0, certificate=pair[0], key=pair[1])
        assert message in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_a_key_under_a_passphrase_is_for_a_start(tmp_path, files):
    locked = tmp_path / "locked.pem"
    locked.write_bytes(files[1].read_bytes().replace(b"PRIVATE", b"ENCRYPTED PRIVATE"))
    require_pair(files[0], locked)
    with pytest.raises(ServiceRefused, match="under a passphrase"):
        require_pair(files[0], locked, reload=True)


def events(running, event):
    """The lines of a service's log about an event."""
    return [line for line in map(json.loads, running.log.read_text().splitlines()) if line["event"] == event]


def certificate_at(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


@pytest.mark.thorough
def test_a_certificate_is_read_anew_on_a_hang_up(tmp_path):
    tls = tls_of(tmp_path)
    (tmp_path / "next").mkdir()
    with Running(stored(tmp_path / "store"), {"workers": 1}, tls=tls) as running:
        (started,) = events(running, "service started")
        assert started["address"] == running.url
        assert started["store"] == str(tmp_path / "store")
        assert (started["version"], started["workers"]) == (fhenn.__version__, 1)
        before = certificate_at(running.port)
        renewed = tls_of(tmp_path / "next")
        shutil.copy(renewed[0], tls[0])
        os.kill(running.pid(), signal.SIGHUP)  # the key is still that of before
        wait_for(lambda: events(running, "certificate of before is kept"), 10)
        assert certificate_at(running.port) == before
        shutil.copy(renewed[1], tls[1])
        os.kill(running.pid(), signal.SIGHUP)
        wait_for(lambda: events(running, "certificate read anew on SIGHUP"), 10)
        assert certificate_at(running.port) == renewed[0].read_text()
        assert running.stop() == 0


@pytest.mark.thorough
def test_a_service_without_a_certificate_stops_on_a_hang_up(tmp_path):
    with Running(stored(tmp_path / "store"), {"workers": 1}) as running:
        os.kill(running.pid(), signal.SIGHUP)
        assert running.process.wait(30) == 0
        assert events(running, "stopping on SIGHUP")
