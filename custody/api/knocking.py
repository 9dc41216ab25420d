"""Who fails at the console's door too often, and how much of what a passkey failed at the audit log keeps.

A right answer is always heard, whatever others failed at from the same address or in the same name: nobody can lock
anybody out. Failures beyond their pace leave nothing behind, so that nobody can fill the house's books with them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import Request

from custody.api.entering import address_of
from custody.api.limits import Pace
from custody.api.problems import TooManyCalls
from custody.kernel.errors import Refused
from custody.operators.operations import CounterWentBack

FAILURES: Final = (20, 60)
"""What may fail from one address, and again in so many seconds."""
KEPT_OF_ONE: Final = (60, 3_600)
"""How many refusals of one caller the audit log keeps, and again in so many seconds."""
KEPT_AT_THE_DOOR: Final = (5, 3_600)
"""The same of answers by nobody that name one operator's passkey."""
_OF_ONE_HOUSEHOLD: Final = 64
"""Bits of an IPv6 address that are one customer's; the rest that customer may choose."""


class Knocking:
    """The paces of one process."""

    def __init__(self) -> None:
        self._failures = Pace(*FAILURES)
        self._kept_of_one, self._kept_at_the_door = Pace(*KEPT_OF_ONE), Pace(*KEPT_AT_THE_DOOR)

    @contextmanager
    def heard(self, request: Request) -> Iterator[None]:
        """Hear who is nobody yet. What fails too often raises ``TooManyCalls`` in the place of what it failed at.

        A passkey that may have a copy is told of, however often.
        """
        try:
            yield
        except CounterWentBack:
            raise
        except Refused as error:
            wait = self._failures.take(source_of(address_of(request)))
            if wait:
                said = "too much failed from this address; whoever has the passkey is heard all the same"
                raise TooManyCalls(said, retry_after=wait) from error
            raise

    def is_kept(self, actor: str, *, at_the_door: bool) -> bool:
        """Whether one more refusal of ``actor``, or ``at_the_door`` in their name, is for the audit log."""
        pace = self._kept_at_the_door if at_the_door else self._kept_of_one
        return pace.take(actor) == 0


def source_of(address: str) -> str:
    """Whose address it is, as far as an address says it: of IPv6 the network that is one customer's."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else found
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.ip_network((found, _OF_ONE_HOUSEHOLD), strict=False))
