"""Origins: where a page comes from, as browsers write it."""

from __future__ import annotations

from urllib.parse import urlsplit

from fhenn.errors import ServiceRefused
from fhenn.service.loopback import is_loopback

_PORTS = {"https": 443, "http": 80}


def origin_of(text: str) -> str:
    """An origin as browsers write it.

    text: scheme, host and port, for instance "https://page.example.org"; https, or http on loopback.

    Raises ServiceRefused where it is anything else: `*` would let every page on the web try tokens.

    >>> origin_of("HTTPS://Page.Example.org:443/"), origin_of("http://127.0.0.1:8080")
    ('https://page.example.org', 'http://127.0.0.1:8080')
    """
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _refused(text) from None
    rest = parts.path in ("", "/") and not parts.query and not parts.fragment and "?" not in text and "#" not in text
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    allowed = host.isascii() and not set(host) & set("*%\\ \"'<>,;")
    if not (host and allowed and secure and rest and parts.username is None and parts.password is None):
        raise _refused(text)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def _refused(text: str) -> ServiceRefused:
    """The error about what is no origin."""
    return ServiceRefused(
        f"{text[:200]!r} is no origin of a page.",
        "Give scheme, host and port alone, as https://page.example.org; plain http is for loopback, and * for nobody.",
    )
