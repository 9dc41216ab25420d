"""What each route is for and whose things it touches: one table, which narrowed credentials are held to.

A route that is not in the table is closed to every credential that is narrowed, and fails the tests. A caller that is
bound to clients is told of another client's thing what it is told of one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from sqlalchemy.orm import Session

from custody.api.body import any_json, arrived
from custody.api.credentials import Caller, Scope
from custody.api.problems import ClientRefused, ScopeRefused
from custody.approvals import queries as intents
from custody.clients.queries import UnknownClient
from custody.deposits import queries as deposits
from custody.events import queries as events
from custody.evidence.requests import FreezeRequest, RespendRequest, client_of
from custody.jobs import queries as jobs
from custody.kernel.errors import InvalidInput, NotFound
from custody.webhooks import queries as webhooks
from custody.withdrawals import queries as withdrawals

OwnerOf = Callable[[Session, str], str | None]
"""Whose a thing of that name is; ``None``: the house's. Raises ``NotFound``."""


@dataclass(frozen=True, slots=True)
class InPath:
    """The client is named in the path."""

    parameter: str = "client"


@dataclass(frozen=True, slots=True)
class InQuery:
    """The client is asked for by name; who is bound must name one of its own."""

    parameter: str = "client"


@dataclass(frozen=True, slots=True)
class InBody:
    """The client stands in the body, under these keys; a body that names none is the house's."""

    keys: tuple[str, ...] = ("request", "client")


@dataclass(frozen=True, slots=True)
class OfThing:
    """The path names a thing, and the database says whose it is, in the call's own unit."""

    parameter: str
    owner: OwnerOf
    absent: NotFound
    """What is said of a thing that does not exist."""


@dataclass(frozen=True, slots=True)
class Anybodys:
    """It shows what is nobody's secret: assets, prices, keysets."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """The route itself shows what ``Caller.may_see`` allows, and no more."""


@dataclass(frozen=True, slots=True)
class TheHouses:
    """It is of everybody at once: closed to who is bound."""


Whose = InPath | InQuery | InBody | OfThing | Anybodys | Filtered | TheHouses


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route is for, and whose things it touches."""

    scope: Scope | None
    """``None``: no scope is for it, so a narrowed credential never opens it."""
    whose: Whose
    is_limited: bool = True
    unlimited_kinds: tuple[str, ...] = ()
    """Kinds of request in the body which are taken however often they come."""


def _withdrawal_owner(session: Session, name: str) -> str | None:
    return withdrawals.get(session, withdrawal=name).client


def _deposit_owner(session: Session, name: str) -> str | None:
    return deposits.by_id(session, deposit=name).client


def _job_owner(session: Session, name: str) -> str | None:
    return jobs.get(session, job=name).client


def _intent_owner(session: Session, name: str) -> str | None:
    return client_of(intents.get(session, digest=name).intent.request)


def _event_owner(session: Session, name: str) -> str | None:
    return events.by_id(session, event=name).client


def _endpoint_owner(session: Session, name: str) -> str | None:
    return webhooks.get(session, endpoint=name).client


_WITHDRAWAL: Final = OfThing(
    "withdrawal", _withdrawal_owner, withdrawals.UnknownWithdrawal("no such withdrawal", field="withdrawal")
)
_DEPOSIT: Final = OfThing("deposit", _deposit_owner, deposits.UnknownDeposit("no such deposit", field="deposit"))
_JOB: Final = OfThing("job", _job_owner, jobs.UnknownJob("no such job", field="job"))
_INTENT: Final = OfThing("digest", _intent_owner, intents.UnknownIntent("no such intent", field="digest"))

_EVENT: Final = OfThing("event", _event_owner, events.UnknownEvent("no such event", field="event"))
_ENDPOINT: Final = OfThing(
    "endpoint", _endpoint_owner, webhooks.UnknownEndpoint("no such webhook endpoint", field="endpoint")
)
_HOOKS: Final = "/v1/webhook-endpoints"
_HOOK: Final = f"{_HOOKS}/{{endpoint}}"

RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("GET", "/v1/status"): Rule(Scope.READ, TheHouses()),
    ("GET", "/v1/assets"): Rule(Scope.READ, Anybodys()),
    ("GET", "/v1/prices"): Rule(Scope.READ, Anybodys()),
    ("GET", "/v1/keysets"): Rule(Scope.READ, Anybodys()),
    ("GET", "/v1/trust-root"): Rule(Scope.READ, Anybodys()),
    ("GET", "/v1/clients/{client}/openings"): Rule(Scope.READ, InPath()),
    ("GET", "/v1/clients"): Rule(Scope.READ, Filtered()),
    ("POST", "/v1/clients"): Rule(Scope.ADDRESS, InBody()),
    ("GET", "/v1/clients/{client}"): Rule(Scope.READ, InPath()),
    ("POST", "/v1/clients/{client}/addresses"): Rule(Scope.ADDRESS, InPath()),
    ("GET", "/v1/clients/{client}/addresses"): Rule(Scope.READ, InPath()),
    ("POST", "/v1/clients/{client}/addresses/bulk"): Rule(Scope.ADDRESS, InPath()),
    ("GET", "/v1/jobs/{job}"): Rule(Scope.READ, _JOB),
    ("GET", "/v1/clients/{client}/balances"): Rule(Scope.READ, InPath()),
    ("GET", "/v1/clients/{client}/deposits"): Rule(Scope.READ, InPath()),
    ("GET", "/v1/deposits"): Rule(Scope.READ, InQuery()),
    ("GET", "/v1/deposits/{deposit}"): Rule(Scope.READ, _DEPOSIT),
    ("GET", "/v1/pledges"): Rule(Scope.READ, InQuery()),
    ("GET", "/v1/reconciliation"): Rule(Scope.READ, TheHouses()),
    ("GET", "/v1/queue"): Rule(Scope.READ, TheHouses()),
    ("POST", "/v1/withdrawals/quote"): Rule(Scope.WITHDRAW_REQUEST, InBody()),
    ("POST", "/v1/withdrawals/evaluate"): Rule(Scope.WITHDRAW_REQUEST, InBody()),
    ("GET", "/v1/withdrawals"): Rule(Scope.READ, InQuery()),
    ("POST", "/v1/withdrawals"): Rule(Scope.WITHDRAW_REQUEST, InBody()),
    ("GET", "/v1/withdrawals/{withdrawal}"): Rule(Scope.READ, _WITHDRAWAL),
    ("POST", "/v1/withdrawals/{withdrawal}/cancel"): Rule(Scope.WITHDRAW_CANCEL, _WITHDRAWAL, is_limited=False),
    ("POST", "/v1/withdrawals/{withdrawal}/replacements"): Rule(None, TheHouses()),
    ("POST", "/v1/respends"): Rule(Scope.WITHDRAW_CANCEL, InBody(), is_limited=False),
    ("GET", "/v1/returns"): Rule(Scope.READ, TheHouses()),
    ("POST", "/v1/returns"): Rule(Scope.WITHDRAW_REQUEST, InBody()),
    ("GET", "/v1/intents"): Rule(Scope.READ, TheHouses()),
    ("POST", "/v1/intents"): Rule(
        Scope.WITHDRAW_REQUEST, InBody(), unlimited_kinds=(FreezeRequest.kind, RespendRequest.kind)
    ),
    ("GET", "/v1/intents/{digest}"): Rule(Scope.READ, _INTENT),
    ("POST", "/v1/intents/{digest}/approvals"): Rule(None, TheHouses(), is_limited=False),
    ("GET", "/v1/freezes"): Rule(Scope.READ, TheHouses()),
    ("GET", "/v1/breaks"): Rule(Scope.READ, TheHouses()),
    ("GET", "/v1/listings"): Rule(Scope.READ, TheHouses()),
    ("POST", "/v1/listings/{digest}/confirmation"): Rule(None, TheHouses()),
    ("GET", "/v1/rotation"): Rule(Scope.READ, TheHouses()),
    ("GET", "/v1/events"): Rule(Scope.READ, Filtered()),
    ("GET", "/v1/events/{event}"): Rule(Scope.READ, _EVENT),
    ("GET", _HOOKS): Rule(Scope.READ, Filtered()),
    ("POST", _HOOKS): Rule(Scope.WEBHOOK, InBody(("client",))),
    ("GET", _HOOK): Rule(Scope.READ, _ENDPOINT),
    ("PATCH", _HOOK): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("DELETE", _HOOK): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("POST", f"{_HOOK}/disable"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("POST", f"{_HOOK}/enable"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("POST", f"{_HOOK}/secret"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("POST", f"{_HOOK}/resend-failed"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("POST", f"{_HOOK}/test"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("GET", f"{_HOOK}/deliveries"): Rule(Scope.READ, _ENDPOINT),
    ("GET", f"{_HOOK}/deliveries/{{event}}"): Rule(Scope.READ, _ENDPOINT),
    ("POST", f"{_HOOK}/deliveries/{{event}}/resend"): Rule(Scope.WEBHOOK, _ENDPOINT),
    ("GET", "/v1/announcements"): Rule(None, TheHouses()),
    ("GET", "/v1/retractions"): Rule(None, TheHouses()),
    ("POST", "/v1/status"): Rule(None, TheHouses()),
    ("POST", "/v1/statements"): Rule(None, TheHouses()),
    ("GET", "/v1/bundles"): Rule(None, TheHouses()),
    ("POST", "/v1/bundles/{bundle}/signatures"): Rule(None, TheHouses(), is_limited=False),
    ("POST", "/v1/bundles/{bundle}/refusals"): Rule(None, TheHouses(), is_limited=False),
}
"""Method and path template to the rule."""

SANDBOX: Final[Mapping[tuple[str, str], Rule]] = {
    ("POST", "/v1/test/mine"): Rule(Scope.SANDBOX, Anybodys()),
    ("POST", "/v1/test/deposit"): Rule(Scope.SANDBOX, InBody(("client",))),
    ("POST", "/v1/test/reorg"): Rule(Scope.SANDBOX, Anybodys()),
}
"""The same of routes that are there on networks of one's own, and nowhere else."""

Check = Callable[[Session], None]
"""What is left to be asked of the database. Raises what ``check`` raises."""


def rule_of(request: Request) -> Rule | None:
    """The rule of the route that was found for this call."""
    place = (request.method, getattr(request.scope.get("route"), "path", ""))
    return RULES.get(place) or SANDBOX.get(place)


async def check(request: Request, caller: Caller, rule: Rule | None) -> Check | None:
    """Hold a narrowed caller to its scopes and clients; what only the database can say comes back as a question.

    Raises ``ScopeRefused``, ``ClientRefused`` (403) and, of what is another client's, what is said of what does not
    exist (404).
    """
    if not caller.is_narrowed:
        return None
    if rule is None:
        raise ScopeRefused("closed to credentials that are narrowed")
    if not caller.has(rule.scope):
        wanted = rule.scope or "no narrowing at all"
        raise ScopeRefused(f"this credential has not the scope for it; accepted is {wanted}")
    return None if caller.clients is None else await _bind(request, caller, rule.whose)


async def is_unlimited(request: Request, rule: Rule | None) -> bool:
    """Whether the call is taken however often its caller calls."""
    if rule is None:
        return False
    if not rule.is_limited or not rule.unlimited_kinds:
        return not rule.is_limited
    return _at(await arrived(request), ("request", "kind")) in rule.unlimited_kinds


async def _bind(request: Request, caller: Caller, whose: Whose) -> Check | None:
    match whose:
        case Anybodys() | Filtered():
            return None
        case InPath(parameter):
            if not caller.may_see(request.path_params[parameter]):
                raise UnknownClient("no such client", field="client")
            return None
        case InQuery(parameter):
            named = request.query_params.getlist(parameter)
            if len(named) != 1 or not caller.may_see(named[0]):
                raise ClientRefused("this credential is bound to clients; accepted is one of them", field=parameter)
            return None
        case InBody(keys):
            if not caller.may_see(_at(await arrived(request), keys)):
                raise ClientRefused("this credential is bound to other clients", field=".".join(keys))
            return None
        case OfThing(parameter, owner, absent):
            name = request.path_params[parameter]
            return lambda session: _expect_own(session, caller, name, owner, absent)
        case TheHouses():
            raise ClientRefused("of the whole house; this credential is bound to clients")


def _expect_own(session: Session, caller: Caller, name: str, owner: OwnerOf, absent: NotFound) -> None:
    if not caller.may_see(owner(session, name)):
        raise type(absent)(absent.message, field=absent.field)


def _at(body: bytes, keys: tuple[str, ...]) -> Any:
    """The value under ``keys``; ``None`` where there is none, which the route will find by itself."""
    try:
        found = any_json(body)
    except InvalidInput:
        return None
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None
