"""Where webhooks may go: every special address is refused, in whatever form it comes."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content.endpoints import Endpoint, is_public, parse
from publisher.errors import InvalidError

PRIVATE = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.254"),
    *("127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192"),
    *("192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::", "::1", "fe80::1", "febf::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
    *("2001::1", "2001:0:53aa:64c::1", "100::1", "64:ff9b:1::1", "5f00::1", "4000::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1"),
)
PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
    *("172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_known(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_what_python_thinks_private_is_never_public(address: object) -> None:
    seen = ip_address(str(address))
    if is_public(seen):
        mapped = getattr(seen, "ipv4_mapped", None) or seen
        assert mapped.is_global or str(seen).startswith(("2002:", "64:ff9b::"))
        assert not any((mapped.is_loopback, mapped.is_link_local, mapped.is_multicast, mapped.is_unspecified))


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}"]))
def test_an_ipv4_address_within_another_is_judged_as_itself(address: object, form: str) -> None:
    if not is_public(ip_address(str(address))):
        assert not is_public(ip_address(form.format(address)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.example.org", ("hooks.example.org", 443, "/")),
        ("https://HOOKS.example.org./a/b?c=d", ("hooks.example.org", 443, "/a/b?c=d")),
        ("https://hooks.example.org:8443/", ("hooks.example.org", 8443, "/")),
        ("https://8.8.8.8/x", ("8.8.8.8", 443, "/x")),
        ("https://[2606:4700:4700::1111]/x", ("2606:4700:4700::1111", 443, "/x")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[str, int, str]) -> None:
    found = parse(url)
    assert (found.host, found.port, found.path, found.is_trusted) == (*expected, False)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "hooks.example.org", "http://hooks.example.org/", "ftp://hooks.example.org/", "file:///etc/passwd",
        "https://", "https:///x", "https://user@hooks.example.org/", "https://user:word@hooks.example.org/",
        "https://hooks.example.org/#x", "https://hooks.example.org:99999/", "https://hooks.example.org:x/",
        "https://hooks.example.org/a b", b"https://hooks.example.org/\\r\\nX: y".decode("unicode_escape"),
        "https://hooks.example.org\\\\@127.0.0.1/", "https://ñandú.example/", "https://[::1/", "gopher://x/",
        "https://hooks.example.org/" + "x" * 2000, "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/x",
        "https://10.0.0.1:8443/", "https://[::ffff:10.0.0.1]/", "https://[fe80::1%25eth0]/", "https://0.0.0.0/",
    ],
    ids=repr,
)  # fmt: skip
def test_a_url_that_webhooks_may_not_have_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match=r"\$\.url"):
        parse(url)


def test_a_host_that_the_operator_names_may_be_anywhere_and_without_tls() -> None:
    allowed = {"127.0.0.1", "hooks.intranet"}
    assert parse("http://127.0.0.1:8000/x", allowed) == Endpoint(
        scheme="http", host="127.0.0.1", port=8000, path="/x", is_trusted=True
    )
    assert parse("http://Hooks.Intranet/", allowed).port == 80
    for other in ("http://hooks.intranet.example.org/", "http://127.0.0.2/", "https://127.0.0.2/"):
        with pytest.raises(InvalidError):
            parse(other, allowed)
