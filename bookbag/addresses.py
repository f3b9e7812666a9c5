"""Which addresses we call for a customer: public ones, and those the operator allows.

Knows numbers and names only: who asks, and what is said then, is in bookbag.outbound.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = frozenset({80, 443})

# What IANA keeps for special purposes and `is_global` does not know of, or knows only
# in some versions of Python. IPv6 beyond the first line is not in use on the Internet:
# what maps, translates or tunnels IPv4 (::ffff:…, 64:ff9b::…, 2002:…, 2001:0:…) would
# otherwise lead to every private address.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL: tuple[Network, ...] = (
    IPv6Network("2001::/23"),  # protocols; Teredo among them
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
    IPv4Network("100.64.0.0/10"),  # carriers' own, and some clouds' metadata
    IPv4Network("168.63.129.16/32"),  # a public number, yet the host of Azure's guests
    IPv4Network("192.0.0.0/24"),  # protocols, and Oracle's metadata
    IPv4Network("192.88.99.0/24"),  # 6to4
    IPv4Network("224.0.0.0/3"),  # multicast, reserved, broadcast
)
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def is_public(address: Address) -> bool:
    """Whether everybody on the Internet means the same machine by this number."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _SPECIAL)


def is_name(host: str) -> bool:
    """Whether it is a host's name, in ASCII and lower case, and not a number in any
    spelling: `0x7f.1` and `2130706433` are 127.0.0.1 to the system's resolver."""
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(_NAME.fullmatch(label) for label in labels)
        and not _NUMBER.fullmatch(labels[-1])
    )


@dataclass(frozen=True)
class Allowlist:
    """What an operator allows beyond the public Internet and its two ports. An entry
    without a port is for both of them. A name is trusted wherever it leads."""

    networks: tuple[tuple[Network, int | None], ...] = ()
    names: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `10.1.0.0/16 [fd00::/8]:8080 intranet.example:8080`. A ValueError says
        which part is none."""
        networks: list[tuple[Network, int | None]] = []
        names: set[tuple[str, int | None]] = set()
        for entry in text.replace(",", " ").split():
            target, port = _parted(entry)
            try:
                networks.append((ip_network(target), port))
            except ValueError:
                if not is_name(target.lower()):
                    raise ValueError(entry) from None
                names.add((target.lower(), port))
        return cls(tuple(networks), frozenset(names))

    def trusts(self, host: str, port: int) -> bool:
        """Whether the host is allowed by its name, so that its address is not asked."""
        return (host, port) in self.names or (
            port in PORTS and (host, None) in self.names
        )

    def permits(self, address: Address, port: int) -> bool:
        if port in PORTS and is_public(address):
            return True
        return any(
            address in network and (port == only or (only is None and port in PORTS))
            for network, only in self.networks
        )

    def may_permit(self, port: int) -> bool:
        """Whether there is any address of which this port may be called."""
        return port in PORTS or any(port == only for _, only in self.networks)


def allowlist(variable: str, text: str) -> Allowlist:
    """A setting's value; a wrong one ends the program with a sentence."""
    try:
        return Allowlist.parse(text)
    except ValueError as error:
        raise SystemExit(
            f"{variable} must list networks and hosts, like “10.1.0.0/16"
            f" intranet.example:8080”. This part is neither: “{error}”."
        ) from None


def _parted(entry: str) -> tuple[str, int | None]:
    """A target and its port, if it has one."""
    if entry.startswith("["):
        target, _, rest = entry[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        if rest and colon != ":":
            raise ValueError(entry)
    elif entry.count(":") > 1:  # IPv6 without brackets
        return entry, None
    else:
        target, colon, port = entry.partition(":")
    if not colon:
        return target, None
    if not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 2**16):
        raise ValueError(entry)
    return target, int(port)
