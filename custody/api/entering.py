"""Letting a call in: who calls, from where, how often, for what, and whether the call came before.

What the database must be asked for (whose a thing is, whether a signed call came before) is asked in the first unit of
the call itself, so that a call that is let in costs no unit more.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from typing import Final

import structlog
from fastapi import Request

from custody.api import access, versions
from custody.api.auth import Callers
from custody.api.body import arrived
from custody.api.credentials import Caller
from custody.api.limits import Limits
from custody.api.problems import NetworkRefused, TooManyCalls, Unauthenticated
from custody.api.signatures import memory
from custody.api.signatures.reading import SignedCall, is_signed, read_signed
from custody.bootstrap import Runtime
from custody.db import Unit

FORWARDED: Final = "x-forwarded-for"


@dataclass(slots=True, repr=False)
class Entrance:
    """What is still to be asked in the call's first unit. It is passed once, when that unit has ended well."""

    signed: SignedCall | None = None
    """A signed call that is remembered in the database."""
    check: access.Check | None = None
    is_passed: bool = False

    def pass_through(self, unit: Unit) -> None:
        """Ask it in ``unit``. Raises ``CallReplayed``, and what ``access.check`` says of another client's thing."""
        if self.is_passed:
            return
        if self.signed is not None:
            memory.take(unit.session, self.signed)
        if self.check is not None:
            self.check(unit.session)


async def enter(request: Request) -> tuple[Caller, Entrance]:
    """Who calls. Raises ``VersionUnknown``, ``Unauthenticated``, ``NetworkRefused``, ``TooManyCalls``; see ``access``.

    The body is read only where something depends on it, and only of a caller who is known.
    """
    versions.expect_served(request.headers)
    caller, signed = await _identify(request)
    request.state.caller = caller.name
    structlog.contextvars.bind_contextvars(caller=caller.name)
    if not caller.may_call_from(address_of(request)):
        raise NetworkRefused("this credential is not for calls from there")
    entrance = request.state.entrance = Entrance()
    if signed is not None:
        signed.expect_body(await arrived(request))
        _remember(request, caller, signed, entrance)
    rule = access.rule_of(request)
    await _limit(request, caller, rule)
    entrance.check = await access.check(request, caller, rule)
    return caller, entrance


def spend(request: Request) -> None:
    """Remember a signed call that failed, in a unit of its own: what was refused once is not carried out later.

    Raises what the unit raises.
    """
    entrance: Entrance | None = getattr(request.state, "entrance", None)
    if entrance is None or entrance.signed is None or entrance.is_passed:
        return
    runtime: Runtime = request.app.state.runtime
    with runtime.database.unit() as unit:
        memory.note(unit.session, entrance.signed)


def address_of(request: Request) -> str:
    """Where the call comes from: who connected, or whom a proxy of ours names, the nearest that is no proxy."""
    found = request.client.host if request.client else ""
    proxies = request.app.state.proxies
    named = [each.strip() for line in request.headers.getlist(FORWARDED) for each in line.split(",")]
    while named and _is_in(found, proxies):
        found = named.pop()
    return found


async def _identify(request: Request) -> tuple[Caller, SignedCall | None]:
    callers: Callers = request.app.state.callers
    if not is_signed(request.headers):
        return callers.identify(request.headers.get("authorization")), None
    if "authorization" in request.headers:
        raise Unauthenticated("accepted is a token or a signature, not both")
    signed = read_signed(request.scope)
    signed.expect_fresh(_now())
    caller = callers.by_signature(signed)
    signed.expect_for(request.app.state.names)
    return caller, signed


def _remember(request: Request, caller: Caller, signed: SignedCall, entrance: Entrance) -> None:
    """From here on the call is spent, however it ends: also where its caller calls too often, or not for this."""
    if memory.is_row(request.method, caller.role):
        entrance.signed = signed
    else:
        request.app.state.seen_reads.take(signed, now=_now())


async def _limit(request: Request, caller: Caller, rule: access.Rule | None) -> None:
    limits: Limits = request.app.state.limits
    # Asked first: what is always taken leaves the bucket as it was.
    if caller.calls_per_minute is None or await access.is_unlimited(request, rule):
        return
    allowance = limits.take(caller)
    if allowance is None:
        return
    request.state.limit_headers = allowance.headers()
    if allowance.retry_after:
        raise TooManyCalls(
            f"this credential may call {allowance.calls_per_minute} times a minute", retry_after=allowance.retry_after
        )


def _is_in(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False


def _now() -> int:
    """Freshness of a call is between two machines' clocks; no window or expiry of the house hangs on it."""
    return int(time.time())
