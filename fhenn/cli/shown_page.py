"""The page for browsers on the command line: its address with a token, and a model to try it with."""

from __future__ import annotations

from contextlib import redirect_stdout
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl, urlencode, urlsplit

from fhenn.cli.build import plan
from fhenn.cli.train import train
from fhenn.errors import ServiceRefused
from fhenn.service.origins import origin_of

DEMO_NAME = "breast-cancer"

_ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (listened on, never asked)
_HOST = "HOST"


def page_address(url: str, token: str | None = None) -> str:
    """The address of a service's page.

    Where the service listens on all addresses, it is for a browser on the service's machine; with TLS, the host is left
    to be filled in, as a certificate names the one.

    url: of the service.
    token: that the address hands to the page, of `fhenn token create`; None for none. It goes behind a #, which
        browsers send to nobody.

    >>> page_address("http://0.0.0.0:8600", "fhenn_0"), page_address("https://[::]:8600")
    ('http://127.0.0.1:8600/#token=fhenn_0', 'https://HOST:8600/')
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _ANY:
        port = f":{parts.port}" if parts.port else ""
        url = f"{parts.scheme}://{_HOST if parts.scheme == 'https' else _ANY[host]}{port}"
    return f"{url.rstrip('/')}/" + ("" if token is None else f"#token={token}")


def where_of(url: str) -> str:
    """What to say behind `page_address` where the service listens on all addresses; empty where it does not.

    url: of the service.

    >>> where_of("http://0.0.0.0:8600"), where_of("http://127.0.0.1:8600")
    (' for browsers on this machine', '')
    """
    parts = urlsplit(url)
    if parts.hostname not in _ANY:
        return ""
    if parts.scheme == "http":
        return " for browsers on this machine"
    return f"; {_HOST} is a name or address of this machine that the certificate names"


def checked_page(url: str) -> str:
    """The address of a page that may be served from elsewhere than its service, checked.

    url: of the page; where another server serves it, with `?service=` and the address of the service behind it.

    Raises ServiceRefused for an address that would hand a token on in the clear, and for anything else behind it.

    >>> checked_page("https://Inference.example.org")
    'https://inference.example.org/'
    >>> checked_page("https://page.example.org/fhenn/?service=https://inference.example.org")
    'https://page.example.org/fhenn/?service=https://inference.example.org'
    """
    base, _, query = url.partition("?")
    parts = urlsplit(base)
    origin = origin_of(base.removesuffix(parts.path) if parts.path else base)
    page = f"{origin}{parts.path or '/'}"
    if not query:
        return page
    given = parse_qsl(query, keep_blank_values=True)
    if [name for name, _ in given] != ["service"] or "#" in query:
        raise ServiceRefused(
            f"{url[:200]!r} has more behind the address of the page than which service it asks.",
            "Give it as https://page.example.org/?service=https://inference.example.org.",
        )
    return f"{page}?{urlencode({'service': origin_of(given[0][1])}, safe=':/')}"


def demo_model() -> tuple[bytes, bytes]:
    """The messages of a model and its plan: what `fhenn train` and `fhenn plan` make of the data of `fhenn demo`."""
    with (
        as_file(files("fhenn.demo").joinpath("breast_cancer.csv")) as data,
        TemporaryDirectory() as folder,
        redirect_stdout(StringIO()),
    ):
        model, made = Path(folder, "model.fhenn"), Path(folder, "plan.fhenn")
        train.main([str(data), "--label", "benign", "-o", str(model)], standalone_mode=False)
        wishes = ["--bounds-from", str(data), "--layout", "throughput", "--max-keys-mb", "15"]
        plan.main([str(model), *wishes, "-o", str(made)], standalone_mode=False)
        return model.read_bytes(), made.read_bytes()
