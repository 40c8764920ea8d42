"""Who asks from inside: routes that answer nobody else, to whom they are as if they were not there."""

import re
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.types import Scope

PEERS = tuple(
    map(
        ip_network,
        (
            *("127.0.0.0/8", "::1/128"),
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
            *("100.64.0.0/10", "169.254.0.0/16", "fe80::/10"),
        ),
    )
)
# What proxies add, of the request or of whom they speak for: most add some of these, none adds all.
PREFIXES = ("x-forwarded-", "x-original-")
FORWARDING = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"}
WITH_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
# A name that only this machine or the cluster resolves: a page of elsewhere may point its own at us.
NAMES = re.compile(r"[a-z0-9_-]+|(?:[a-z0-9_-]+\.)+(?:localhost|svc|svc\.cluster\.local)")


class InsideRoute(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whoever is not inside goes on to the next route, and finds none."""
        match, child = super().matches(scope)
        return (match, child) if match != Match.NONE and is_inside(scope) else (Match.NONE, {})


def is_inside(scope: Scope) -> bool:
    """The peer is near, no proxy speaks for another, and the name is one that no stranger can give us.

    A proxy that is trusted brings strangers too, so that its header counts like anybody's.
    """
    headers, peer = Headers(scope=scope), scope.get("client") or ("", 0)
    hosts = headers.getlist("host")
    forwarded = any(name.startswith(PREFIXES) or name in FORWARDING for name in headers)
    return is_near(peer[0]) and not forwarded and len(hosts) == 1 and is_ours(hosts[0])


def is_near(peer: str) -> bool:
    """Loopback, or an address that no router of the internet carries."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in PEERS)


def is_ours(host: str) -> bool:
    """A near address, which cannot be rebound as a name can, or a name of the inside.

    Who writes a public address asks from outside, through a balancer whose own address is the peer's.
    """
    if not (found := WITH_PORT.fullmatch(host.lower())):
        return False
    name = found[1].removesuffix(".")
    return is_near(name.strip("[]")) or NAMES.fullmatch(name) is not None
