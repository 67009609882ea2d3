"""Addresses that no notification is ever sent to.

A machine's link-local neighbours and the metadata services of clouds hand out credentials to
whoever asks from the inside. Nobody's receiver lives there, so they are refused in every spelling:
in the config, and again when a host name has been resolved.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google Cloud
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def refusal(host: str) -> str | None:
    """Why a literal address is refused, or None; a host name is None, it is not resolved here.

    >>> refusal("169.254.169.254"), refusal("::ffff:a9fe:a9fe") == refusal("0xa9fea9fe")
    ('169.254.169.254 is link-local', False)
    >>> refusal("10.0.0.7") is None and refusal("example.org") is None
    True
    """
    address = _literal(host)
    if address is None:
        return None
    plain = _unwrap(address)
    if plain.is_link_local:
        return f"{host} is link-local"
    if plain in _METADATA:
        return f"{host} is a cloud's metadata service"
    if plain.is_multicast:
        return f"{host} is a multicast address"
    return None


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    text = host.strip("[]").partition("%")[0]
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:
        # The C library also takes 0xa9fea9fe, 2852039166 and 169.254.43518.
        return IPv4Address(socket.inet_aton(text)) if text[:1].isdigit() else None
    except OSError:
        return None


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
