"""Where webhooks may go: addresses of the public internet over HTTPS, and hosts that the operator names. Pure.

What is refused is the IANA registries of special-purpose addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, …-ipv6-…), whatever this version of Python thinks of them,
and IPv6 addresses that carry such an IPv4 address within. A name is judged by every address that it resolves to, each
time anew (`publisher.webhooks.sending`).
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import msgspec

from publisher.errors import InvalidError

MAX_URL = 2000
FIELD = "$.url"
_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # a public address that is Azure's host on every virtual machine there
        ),
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")))
_MAPPED, _COMPATIBLE, _NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("::/96"), IPv6Network("64:ff9b::/96")
_TRANSLATED, _6TO4 = IPv6Network("::ffff:0:0:0/96"), IPv6Network("2002::/16")
Address = IPv4Address | IPv6Address


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that was taken apart; `is_trusted` when the operator named its host."""

    scheme: str
    host: str
    port: int
    path: str
    is_trusted: bool


def parse(url: str, allowed: Collection[str] = ()) -> Endpoint:
    """The endpoint that `url` names; InvalidError when webhooks may not go there, as far as the URL itself shows.

    Hosts in `allowed` may have any address, and be asked without TLS.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidError(FIELD, f"use at most {MAX_URL} printable ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise InvalidError(FIELD, "not a URL") from error
    trusted = host in allowed
    if parts.scheme not in ("https", "http") or not host:
        raise InvalidError(FIELD, "not a URL that begins with https://")
    if parts.scheme == "http" and not trusted:
        raise InvalidError(FIELD, "must begin with https://")
    if "@" in parts.netloc or parts.fragment or "\\" in url:
        raise InvalidError(FIELD, "must have no user name, no fragment and no backslash")
    if not trusted and (literal := _literal(host)) is not None and not is_public(literal):
        raise InvalidError(FIELD, f"{host} is not an address of the public internet")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if parts.scheme == "https" else 80
    return Endpoint(scheme=parts.scheme, host=host, port=port or default, path=path, is_trusted=trusted)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and so is the IPv4 address within it, if there is one."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, compatible, translated, by NAT64 or by 6to4."""
    if any(address in network for network in (_MAPPED, _COMPATIBLE, _TRANSLATED, _NAT64)):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
