"""What is on the public internet, and what only somebody inside a network can reach.

For addresses that strangers give us: a server that connects wherever it is told can be used to reach what stands behind
a firewall. Never resolves a name; who connects asks again with the address it resolved to.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""NAT64, 6to4 and Teredo: global themselves, with any address inside."""
_INSIDE: Final = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa")
"""Last labels of names that mean something inside a network only (RFC 6761, 6762, 9476 and habit)."""


def is_public(host: str) -> bool:
    """Whether an IP address is one of the public internet, and of one machine.

    Raises:
        ValueError: it is no IP address.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_global and not mapped.is_multicast and not any(mapped in network for network in _TUNNELS)


def may_be_public(host: str) -> bool:
    """Whether a host, by its name or as an IP address, can be on the public internet; where a name leads is unknown."""
    try:
        return is_public(host)
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
        # A last label of digits is how an IPv4 address is written in a dozen odd ways, each read differently.
        return len(labels) > 1 and labels[-1] not in _INSIDE and labels[-1][:1].isalpha()
