"""Where webhooks may go: to the public internet over TLS, and nowhere into the house's own network.

A name is looked up once for each connection, every address it has is judged, and the connection goes to one of the
judged addresses: a name that points elsewhere a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from custody.kernel.errors import InvalidInput, Refused
from custody.webhooks.resolving import LOOK_UP_SECONDS, MACHINE, LookUp, Resolver, Unanswered

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL: Final = 500
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
    )
)
"""Beside what is not global: carriers' and clouds' own addresses, and IPv6 that is some IPv4 address in disguise."""


class PlaceRefused(Refused):
    """The address is none that webhooks go to."""

    code = "webhook-place-refused"


@dataclass(frozen=True, slots=True)
class Place:
    """An address as it was written: ``path`` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """For the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"


class Places:
    """What is allowed. ``inside`` names networks that are otherwise closed: there, and only there, http may be used."""

    def __init__(self, inside: Sequence[Network] = (), *, look_up: LookUp | None = None) -> None:
        self._inside = tuple(inside)
        self._resolver = MACHINE if look_up is None else Resolver(look_up)

    def read(self, url: object, *, field: str = "url", asker: str = "") -> Place:
        """Read an address, and look its name up. Raises ``InvalidInput`` saying what is accepted."""
        place = read_url(url, field=field)
        try:
            self.addresses(place, asker=asker)
        except PlaceRefused as error:
            raise InvalidInput(f"{error.message}; accepted is an https address on the internet", field=field) from None
        return place

    def addresses(self, place: Place, *, asker: str = "", seconds: float = LOOK_UP_SECONDS) -> tuple[str, ...]:
        """Every address of the place's name, all of them judged, within ``seconds``. Raises ``PlaceRefused``.

        ``asker`` is for whom it is looked up: who has many names that hang is refused, and others are not.
        """
        try:
            answer = self._resolver.addresses(place.host, place.port, asker=asker, seconds=seconds)
            found = tuple(dict.fromkeys(answer))
        except Unanswered as error:
            raise PlaceRefused(str(error)) from None
        except (OSError, UnicodeError):
            raise PlaceRefused("the name has no address") from None
        if not found:
            raise PlaceRefused("the name has no address")
        for text in found:
            self._judge(text, place.scheme)
        return found

    def _judge(self, text: str, scheme: str) -> None:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise PlaceRefused("the name has an address of another kind") from None
        if any(address in network for network in self._inside if network.version == address.version):
            return
        if not is_public(address):
            raise PlaceRefused("the name is of an address that is not on the internet")
        if scheme != "https":
            raise PlaceRefused("not https")


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the internet, and no other address in disguise."""
    closed = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not (closed or address.is_multicast or address.is_reserved)


def read_url(url: object, *, field: str = "url") -> Place:
    """Take an address apart. Raises ``InvalidInput``; nothing is looked up."""
    problem = InvalidInput("not an address; accepted is https://host[:port]/path without user, password or fragment",
                           field=field)  # fmt: skip
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL or not url.isascii() or not url.isprintable():
        raise problem
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise problem from None
    if " " in url or "\\" in url or "#" in url or "@" in parts.netloc or parts.scheme not in ("https", "http"):
        raise problem
    if not parts.hostname or port == 0 or "%" in parts.netloc:
        raise problem
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, parts.hostname, port or {"https": 443, "http": 80}[parts.scheme], path)


def read_networks(text: str) -> tuple[Network, ...]:
    """A list of networks, ``127.0.0.1/32, ::1/128``. Raises ``ValueError``."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
