import pytest

from fhenn.errors import ParameterError
from fhenn.service.addresses import caller_of, networks_of, source_of

PROXIES = networks_of(["127.0.0.1", "10.0.0.0/8", "fd00::/64"])


@pytest.mark.parametrize(
    ("peer", "headers", "source"),
    [
        ("192.0.2.1", {b"x-forwarded-for": [b"203.0.113.9"]}, "192.0.2.1"),  # no proxy of ours: its word is nothing
        ("127.0.0.1", {}, "127.0.0.1"),
        ("127.0.0.1", {b"x-forwarded-for": [b"203.0.113.9"]}, "203.0.113.9"),
        ("127.0.0.1", {b"x-forwarded-for": [b"6.6.6.6, 203.0.113.9"]}, "203.0.113.9"),  # the first is the client's lie
        ("127.0.0.1", {b"x-forwarded-for": [b"6.6.6.6", b"203.0.113.9"]}, "203.0.113.9"),
        ("127.0.0.1", {b"x-forwarded-for": [b"6.6.6.6, 203.0.113.9, 10.2.3.4"]}, "203.0.113.9"),
        ("127.0.0.1", {b"x-forwarded-for": [b"10.1.1.1, 10.2.3.4"]}, "127.0.0.1"),
        ("::ffff:10.0.0.9", {b"x-forwarded-for": [b"2001:db8::7"]}, "2001:db8::7"),
        ("127.0.0.1", {b"x-forwarded-for": [b"203.0.113.9, unknown"]}, "127.0.0.1"),
        ("127.0.0.1", {b"x-forwarded-for": [b"203.0.113.9:80"]}, "127.0.0.1"),
        ("127.0.0.1", {b"x-forwarded-for": [b", ".join([b"6.6.6.6"] * 9000 + [b"203.0.113.9"])]}, "203.0.113.9"),
        # a header that the proxy does not write comes from the client
        ("127.0.0.1", {b"forwarded": [b"for=6.6.6.6"], b"x-forwarded-for": [b"203.0.113.9"]}, "203.0.113.9"),
        ("unknown", {b"x-forwarded-for": [b"203.0.113.9"]}, "unknown"),
        ("127.0.0.1", {b"x-forwarded-for": [b"\xff\xfe"]}, "127.0.0.1"),
    ],
)
def test_the_source_is_what_a_named_proxy_saw(peer, headers, source):
    assert source_of(peer, headers, PROXIES) == source


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ({b"forwarded": [b"for=203.0.113.9;proto=https"]}, "203.0.113.9"),
        ({b"forwarded": [b'proto=https; For="[2001:db8::7]:4711"']}, "2001:db8::7"),
        ({b"forwarded": [b"for=6.6.6.6, for=203.0.113.9:99"]}, "203.0.113.9"),
        ({b"forwarded": [b"for=_hidden"]}, "127.0.0.1"),
        ({b"forwarded": [b"for=203.0.113.9"], b"x-forwarded-for": [b"6.6.6.6"]}, "203.0.113.9"),
        ({b"x-forwarded-for": [b"6.6.6.6"]}, "127.0.0.1"),
    ],
)
def test_the_operator_names_the_header(headers, source):
    """The other one was sent by a client: it neither counts nor makes the proxy count in the place of its clients."""
    assert source_of("127.0.0.1", headers, PROXIES, "Forwarded") == source


def test_a_site_counts_as_one_caller():
    assert caller_of("2001:db8:1:2:3::4") == caller_of("2001:db8:1:2:ffff::") != caller_of("2001:db8:1:3::4")
    assert caller_of("192.0.2.1") == caller_of("::ffff:192.0.2.1") != caller_of("192.0.2.2")


@pytest.mark.parametrize("text", ["", "x", "10.0.0.0/40", "example.org"])
def test_proxies_are_addresses(text):
    with pytest.raises(ParameterError, match="proxy"):
        networks_of([text])
