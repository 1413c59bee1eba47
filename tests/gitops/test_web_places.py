"""Which addresses may be reached, and which texts are addresses at all."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gitops.errors import InputError
from gitops.web import Allowed, host_name, host_pattern, network, place_of, same_origin
from gitops.web.addresses import refusal

PUBLIC_V4, PUBLIC_V6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
EVERYTHING = Allowed(
    named=frozenset({"x"}),
    hosts=frozenset({"x"}),
    networks=(ip_network("0.0.0.0/0"), ip_network("::/0")),
)
NOBODY = "a host that nobody named"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "fc00::1",
        "fdff:ffff::1",
        "2001:db8::1",
        "100::1",
    ],
)
def test_an_address_that_is_not_public_needs_the_operator(address: str) -> None:
    named = Allowed(named=frozenset({"x"}))
    assert refusal("x", address, named)
    assert refusal("x", address, Allowed())
    assert not refusal("x", address, Allowed(hosts=frozenset({"x"})))
    assert not refusal("x", address, Allowed(networks=(ip_network(address),)))
    assert refusal("y", address, Allowed(hosts=frozenset({"x"})))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  an address in a test, nothing listens
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
        "::",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.215.14",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "127.1",
        "localhost",
        "",
    ],
)
def test_some_addresses_are_never_reached(address: str) -> None:
    assert refusal("x", address, EVERYTHING)


@pytest.mark.parametrize("address", [PUBLIC_V4, PUBLIC_V6])
def test_a_public_address_is_reached_only_under_a_name_that_was_given(
    address: str,
) -> None:
    assert refusal("x", address, Allowed()) == NOBODY
    assert refusal("y", address, Allowed(named=frozenset({"x"}))) == NOBODY
    assert not refusal("x", address, Allowed(named=frozenset({"x"})))


def test_a_wildcard_means_every_name_below_and_nothing_else() -> None:
    allowed = Allowed(hosts=frozenset({"*.svc.cluster.local"}))
    assert not refusal("directus.a.svc.cluster.local", "10.0.0.1", allowed)
    assert refusal("svc.cluster.local", "10.0.0.1", allowed)
    assert refusal("evilsvc.cluster.local", "10.0.0.1", allowed)
    assert refusal("svc.cluster.local.evil.com", "10.0.0.1", allowed)


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "127.0.0.01",
        "1.2.3.4.5",
        "0",
        "0x",
        "x.1",
        "[::1",
        "::1%lo",
        "a b",
        "a..b",
        "-a.com",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "gït.example.com",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "",
        ".",
    ],
)
def test_an_odd_way_to_write_a_host_is_refused(host: str) -> None:
    with pytest.raises(InputError):
        host_name(host)


def test_a_host_has_one_form() -> None:
    assert host_name("Git.Example.COM.") == "git.example.com"
    assert host_name("[FD00:0::7]") == host_name("fd00::7") == "fd00::7"
    assert host_name("10.0.0.7") == "10.0.0.7"


@pytest.mark.parametrize("pattern", ["*", "*.com", "*.1.2", "a.*.com", "**.a.com"])
def test_a_pattern_that_means_too_much_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        host_pattern(pattern)


def test_a_network_is_whole() -> None:
    assert network("10.0.0.0/8") == ip_network("10.0.0.0/8")
    assert network("10.0.0.7") == ip_network("10.0.0.7/32")
    assert network("directus.internal") is None
    with pytest.raises(InputError) as caught:
        network("10.0.0.1/8")
    assert caught.value.hint == "write 10.0.0.0/8"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "//s3cret",
        "http:/s3cret",
        "http:s3cret.example.com",
        "file:///s3cret",
        "gopher://s3cret.example.com",
        "http://s3cret@example.com",
        "http://u:s3cret@example.com",
        "http://example.com/#s3cret",
        "http://example.com:0/s3cret",
        "http://example.com:65536/s3cret",
        "http://example.com:8a/s3cret",
        "http://example.com:/s3cret",
        "http:///s3cret",
        "http://?s3cret",
        "http://[::1/s3cret",
        "http://a[::1]/s3cret",
        "http://example.com\\@s3cret",
        "http://example.com/ s3cret",
        "http://example.com/\ts3cret",
        "http://example.com/\r\nHost: s3cret",
        "http://example.com/\x00s3cret",
        "http://exa\nmple.com/s3cret",
        "http://127.1/s3cret",
        "http://2130706433/s3cret",
        "http://0/s3cret",
        "http://0x7f.1/s3cret",
        "http://[fe80::1%25lo]/s3cret",
        "http://example.com/ü-s3cret",
        "http://example.com/" + "s3cret" * 1000,
    ],
)
def test_what_could_be_read_in_two_ways_is_no_address(url: str) -> None:
    with pytest.raises(InputError) as caught:
        place_of(url)
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_an_address_is_read_in_parts() -> None:
    place = place_of("HTTPS://Git.Example.com:443/a/b?c=d")
    assert place.origin == ("https", "git.example.com", 443)
    assert place.url == "https://git.example.com/a/b?c=d"
    assert place_of("http://[FD00::7]:8055").url == "http://[fd00::7]:8055/"


def test_neither_path_nor_query_is_printed() -> None:
    assert "s3cret" not in repr(place_of("https://x.example.com/s3cret?s3cret"))


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/next?page=2", "https://x.example.com/next?page=2"),
        ("?page=2", "https://x.example.com/a/b?page=2"),
        ("https://X.example.com:443/c", "https://x.example.com/c"),
        ("https://x.example.com.evil.com/", None),
        ("https://x.example.com@evil.com/", None),
        ("//evil.com/a", None),
        ("/\\evil.com/a", None),
        ("http://x.example.com/c", None),
        ("https://x.example.com:8443/c", None),
        ("javascript:alert(1)", None),
        ("/a\r\nb", None),
        ("https://[", None),
    ],
)
def test_a_server_may_point_only_to_itself(target: str, url: str | None) -> None:
    there = same_origin(place_of("https://x.example.com/a/b?c=d"), target)
    assert (there.url if there else None) == url
