"""Where requests come from, behind proxies too, and which addresses count as one caller."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from fhenn.errors import ParameterError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROXY_HEADERS = ("X-Forwarded-For", "Forwarded")
"""Headers in which proxies name a request's source: nginx, HAProxy, Traefik, Caddy and cloud balancers in the first."""

_FOR = re.compile(r'for="?\[?([0-9a-fA-F.:]+?)\]?(?::[0-9]+)?"?', re.ASCII | re.IGNORECASE)
_MOST_HOPS = 32


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from their texts.

    texts: each an IP address, or a network in CIDR form.

    Raises ParameterError.

    >>> networks_of(["10.0.0.1", "10.1.0.0/16"])
    (IPv4Network('10.0.0.1/32'), IPv4Network('10.1.0.0/16'))
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            raise ParameterError(
                f"a proxy must be an IP address or a network, not {text[:80]!r}.",
                "Give one like 10.0.0.1 or 10.1.0.0/16.",
            ) from error
    return tuple(networks)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address, as text, lies in one of the networks."""
    if not networks:
        return False
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def caller_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address, which one site shares.

    address: as text; other text than an address is its own caller, in its first 64 characters.

    >>> caller_of("::ffff:192.0.2.7"), caller_of("2001:db8::1:2")
    ('192.0.2.7', '2001:db8::/64')
    """
    parsed = _parse(address)
    if parsed is None or isinstance(parsed, ipaddress.IPv4Address):
        return address[:64] if parsed is None else str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def source_of(
    peer: str, headers: Mapping[bytes, Sequence[bytes]], proxies: Sequence[Network], header: str = PROXY_HEADERS[0]
) -> str:
    """The address that a request comes from.

    peer: the address at the other end of the connection.
    headers: the values of each header of the request, by its name in lower case.
    proxies: whose headers are believed.
    header: the one that the proxies write, of `PROXY_HEADERS` (Forwarded is that of RFC 7239). The other comes from
        whoever sends the request, and is not read.

    Returns the last address in the header that is not a proxy's: what stands before it was written by whoever sent the
    request. Returns the peer where it is not a proxy, or where the header holds something else than an address.

    >>> proxies = networks_of(["10.0.0.1"])
    >>> source_of("10.0.0.1", {b"x-forwarded-for": [b"1.2.3.4, 192.0.2.7"]}, proxies)
    '192.0.2.7'
    """
    if not is_in(peer, proxies):
        return peer
    name = header.lower()
    hops = [each.strip() for value in headers.get(name.encode(), ()) for each in value.decode("latin-1").split(",")]
    return _last_outside(peer, [_forwarded_address(hop) for hop in hops] if name == "forwarded" else hops, proxies)


def _last_outside(peer: str, hops: Sequence[str], proxies: Sequence[Network]) -> str:
    """The last of some hops that is not a proxy's, or the peer."""
    for hop in hops[: -_MOST_HOPS - 1 : -1]:
        address = _parse(hop)
        if address is None:
            return peer
        if not is_in(str(address), proxies):
            return str(address)
    return peer


def _forwarded_address(element: str) -> str:
    """The address in an element of a Forwarded header; empty where there is none, or it is hidden."""
    for pair in element.split(";"):
        if match := _FOR.fullmatch(pair.strip()):
            return match[1]
    return ""


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, None where the text is not one; an IPv4 address inside an IPv6 one is itself."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
