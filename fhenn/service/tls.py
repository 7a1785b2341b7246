"""Certificates: which a client trusts, whether a server can use its own, and the way out where one is refused."""

from __future__ import annotations

import re
import ssl
from os import PathLike
from pathlib import Path

from fhenn.errors import FileMissing, ParameterError, ServiceRefused

_OTHER_NAME = frozenset({62, 63, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH, _IP_ADDRESS_MISMATCH."""
_OUT_OF_DATE = frozenset({9, 10})
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED."""
_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")


def trust(path: str | PathLike[str]) -> ssl.SSLContext:
    """How a client checks a service whose certificate, or its authority's, is in a file.

    path: of the file of certificates, PEM; or of a folder of them, as OpenSSL has it.

    Raises FileMissing, ParameterError where it holds none, OSError.
    """
    path = Path(path)
    if path.is_dir():
        return ssl.create_default_context(capath=path)
    try:
        with path.open("rb"):  # OpenSSL's error does not name the file
            pass
    except FileNotFoundError as error:
        raise FileMissing(str(path), "certificates to trust", "Name another: verify=…, or --cafile.") from error
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ParameterError(f"{path} does not hold certificates.", "Give a file of certificates in PEM.") from error


def way_out_of(error: BaseException | None) -> str:
    """What to do about a connection that failed, as a sentence; empty where TLS was not what failed.

    error: of the connection; what caused it is looked at, too.
    """
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return (
                "The certificate must name the host of this address (subjectAltName): use an address that it names, or "
                "have the operator name this one in it."
            )
        if error.verify_code in _OUT_OF_DATE:
            return "The operator has to renew the certificate; check this machine's clock, too."
        return (
            "If it is the operator's own certificate, get that file from the operator and trust it: verify=…, or "
            "--cafile FILE."
        )
    if error is not None and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "What answers there does not speak TLS: check the port, and whether the address begins with https."
    return ""


def require_pair(certificate: Path, key: Path, reload: bool = False) -> None:
    """Require that a server can use a certificate and its key.

    certificate: PEM file of the certificate chain.
    key: PEM file of its key. Of one under a passphrase only the form is looked at.
    reload: whether a service runs, which cannot ask for a passphrase: such a key is refused.

    Raises ServiceRefused, which names the file and the option that are wrong.
    """
    chain, secret = _content("--ssl-certfile", certificate), _content("--ssl-keyfile", key)
    has_certificate, has_key = _CERTIFICATE.search(chain), _KEY.search(secret)
    if not has_certificate and not has_key and _KEY.search(chain) and _CERTIFICATE.search(secret):
        raise ServiceRefused(
            f"--ssl-certfile {certificate} holds a key, and --ssl-keyfile {key} a certificate.", "Swap them."
        )
    if not has_certificate:
        raise ServiceRefused(
            f"--ssl-certfile {certificate} holds no certificate.", "Give the file with the certificate chain, PEM."
        )
    if not has_key:
        raise ServiceRefused(f"--ssl-keyfile {key} holds no private key.", "Give the file with the key, PEM.")
    if b"ENCRYPTED" in secret:
        if reload:
            raise ServiceRefused(f"--ssl-keyfile {key} is under a passphrase.", "Start the service anew.")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ServiceRefused(
                f"--ssl-keyfile {key} is not the key of the certificate in --ssl-certfile {certificate}.",
                "Give the two that were made together; the service's certificate comes first in its chain.",
            ) from error
        raise ServiceRefused(
            f"--ssl-certfile {certificate} and --ssl-keyfile {key} cannot be used ({error.reason or error}).",
            "Give a certificate chain and its key, PEM.",
        ) from error


def _content(option: str, path: Path) -> bytes:
    """The bytes of the file that an option names. Raises ServiceRefused."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServiceRefused(
            f"{option} {path} cannot be read: {error.strerror or error}.",
            "Name a file that the service's user can read.",
        ) from error
