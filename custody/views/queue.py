"""The queue: whatever waits, each in one place, a page at a time, with as many statements for many rows as for one.

``needs_me`` and ``needs_others`` are intents that wait for people, the earliest deadline first; ``needs_keys`` and
``on_chain`` are payments that people are done with, oldest first; ``stuck`` is what is past its deadline, or asks for
more people than there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from custody.approvals import waiting
from custody.approvals.askings import Asking
from custody.approvals.queries import FiledIntent
from custody.approvals.waiting import Standing, Waiting
from custody.clients import queries as clients
from custody.evidence.codes import digest_code
from custody.kernel.errors import InvalidInput
from custody.listings import queries as listings
from custody.reconciliation.stuck import Deadlines
from custody.trust.assets import KnownAssets, known_among
from custody.trust.operations import InForce
from custody.views import cursors, risks
from custody.views.objects import asset_view, delay_left, money, when, words_of
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import NEXT_ACTOR, Withdrawal
from custody.withdrawals.states import State

NEEDS_ME: Final = "needs_me"
NEEDS_OTHERS: Final = "needs_others"
NEEDS_KEYS: Final = "needs_keys"
ON_CHAIN: Final = "on_chain"
STUCK: Final = "stuck"
PLACES: Final = (NEEDS_ME, NEEDS_OTHERS, NEEDS_KEYS, ON_CHAIN, STUCK)

_OF_PEOPLE: Final = {NEEDS_ME: waiting.MINE, NEEDS_OTHERS: waiting.OTHERS, STUCK: waiting.LATE}
_KEYS: Final = (State.AWAITING_SIGNATURES, State.CANCELLING)
_CHAIN: Final = (State.REQUESTED, State.APPROVED, State.SIGNED, State.BROADCAST, State.CONFIRMED)
_ON_THE_WAY: Final = {NEEDS_KEYS: _KEYS, ON_CHAIN: _CHAIN, STUCK: (*_KEYS, *_CHAIN)}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose queue is read, under which rules, and what of it."""

    trust: InForce
    operator: str
    """Empty for nobody's: then nothing needs ``me``."""
    deadlines: Mapping[str, Deadlines]
    askings: tuple[Asking, ...]
    """Of all that waits, read in the same unit."""
    now: datetime
    client: str = ""
    kind: str = ""

    @property
    def waiting(self) -> Waiting:
        """The same, as the room of intents reads it."""
        patience = {chain: each.pending_approval for chain, each in self.deadlines.items()}
        return Waiting(
            self.trust.root,
            self.trust.policy.roles,
            self.operator,
            self.trust.joined(self.operator),
            patience,
            self.askings,
            self.now,
            self.client,
            self.kind,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order, and the cursor behind the last of them where there are more."""

    rows: list[dict[str, Any]]
    next: str | None


def queue(session: Session, asked: Asked, *, place: str, after: str | None = None, limit: int | None = None) -> Page:
    """One page of ``place``. Raises ``InvalidInput`` for a place nobody knows or a cursor of another list."""
    if place not in PLACES:
        raise InvalidInput(f"not a place of the queue; accepted is {', '.join(PLACES)}", field="place")
    most = cursors.limit(limit)
    begin = cursors.read(after, f"queue:{place}", 3)
    filed: list[FiledIntent] = []
    moving: list[Withdrawal] = []
    if place in _OF_PEOPLE and (begin is None or begin[0] == "people"):
        last = None if begin is None else (cursors.moment(begin[1]), begin[2])
        filed = waiting.page(session, asked.waiting, place=_OF_PEOPLE[place], after=last, limit=most + 1)
    if place in _ON_THE_WAY and len(filed) <= most:
        behind = begin[2] if begin is not None and begin[0] == "road" else ""
        moving = _moving(session, asked, place, behind, most + 1 - len(filed))
    shown, rest = filed[:most], moving[: max(most - len(filed), 0)]
    more = len(filed) + len(moving) > most
    return Page(_rows(session, asked, place, shown, rest), _next(place, shown, rest) if more else None)


def counts(session: Session, asked: Asked, *, known: Mapping[str, int] | None = None) -> dict[str, dict[str, Any]]:
    """How many rows each place has; ``at_least`` where counting stopped. ``known`` is not counted again."""
    found = dict(known or {})
    asks: list[tuple[str, Select[int]]] = []
    values: dict[str, object] = {}
    for place in (each for each in PLACES if each not in found):
        found[place] = 0
        if place in _OF_PEOPLE:
            query, named = waiting.counting(asked.waiting, place=_OF_PEOPLE[place])
            asks.append((place, query))
            values |= named
        if place in _ON_THE_WAY:
            query, named = withdrawals.counting_resting(**_resting(asked, place), most=waiting.COUNTED_TO)
            asks.append((place, query))
            values |= named
    if asks:
        numbers = session.execute(_together(*(query for _, query in asks)), values).one()
        for (place, _), number in zip(asks, numbers, strict=True):
            found[place] += number
    return waiting.describe({place: min(found[place], waiting.COUNTED_TO) for place in PLACES})


@lru_cache(maxsize=64)
def _together(*queries: Select[int]) -> Select[*tuple[int, ...]]:
    """One statement for all of them: the same ones are put together once."""
    return select(*(query.scalar_subquery() for query in queries))


def _moving(session: Session, asked: Asked, place: str, after: str, limit: int) -> list[Withdrawal]:
    return withdrawals.resting(session, **_resting(asked, place), after=after, limit=limit)


def _resting(asked: Asked, place: str) -> dict[str, Any]:
    since = {
        (chain, state.value): asked.now - timedelta(seconds=getattr(limits, state.value))
        for chain, limits in asked.deadlines.items()
        for state in _ON_THE_WAY[STUCK]
    }
    return {
        "states": _ON_THE_WAY[place],
        "since": since,
        "late": place == STUCK,
        "client": asked.client,
        "kind": asked.kind,
    }


def _next(place: str, filed: Sequence[FiledIntent], moving: Sequence[Withdrawal]) -> str:
    if moving:
        return cursors.written(f"queue:{place}", "road", "", moving[-1].id)
    last = filed[-1]
    return cursors.written(f"queue:{place}", "people", cursors.of_moment(last.not_after), last.digest)


def _rows(
    session: Session, asked: Asked, place: str, filed: Sequence[FiledIntent], moving: Sequence[Withdrawal]
) -> list[dict[str, Any]]:
    if not filed and not moving:
        return []
    assets = known_among(asked.trust.root.assets)
    payments = withdrawals.standing_among(session, digests=[each.digest for each in filed])
    standings = waiting.standings(session, filed, trust=asked.trust, now=asked.now)
    about = [_about(each.intent.request) for each in filed]
    named = clients.names(session, clients=[*(each.client for each in filed), *(each.client for each in moving)])
    places = [(each.client, each.intent.chain, to) for each, (_, _, to) in zip(filed, about, strict=True) if to]
    labels = listings.labels(
        session, places=[*places, *((each.client, each.chain, each.destination) for each in moving)]
    )
    cues = risks.cues(session, filed)
    rows = [
        _intent_row(asked, each, standings[each.digest], payments.get(each.digest), assets, named, labels)
        | {"risks": cues[each.digest], "limits": risks.limits(each.decision, asked.trust.policy)}
        for each in filed
    ]
    rows += [_moving_row(asked, each, assets, named, labels) for each in moving]
    return [{"place": place, **row} for row in rows]


def _intent_row(
    asked: Asked,
    filed: FiledIntent,
    standing: Standing,
    payment: tuple[str, State] | None,
    assets: KnownAssets,
    named: Mapping[str, str],
    labels: Mapping[tuple[str, str, str], str],
) -> dict[str, Any]:
    request = filed.intent.request
    asset, units, to = _about(request)
    vetoable = filed.state == "approved"
    lasts = (filed.not_after - filed.created_at).total_seconds()
    left = max(0, int((filed.not_after - asked.now).total_seconds()))
    return {
        "kind": filed.intent.kind,
        "id": None if payment is None else payment[0],
        "digest": filed.digest,
        "code": digest_code(filed.digest),
        "sentence": words_of(filed, assets)[0],
        "client": filed.client,
        "client_name": named.get(filed.client),
        "asset": None if asset is None else asset_view(assets.of(asset)),
        "amount": None if asset is None or units is None else money(units, assets.of(asset)),
        "destination": to,
        "destination_name": labels.get((filed.client, filed.intent.chain, to or "")),
        "requester": request.requester,
        "purpose": getattr(request, "purpose", None),
        "status": filed.state if payment is None else payment[1].value,
        "reason": _waits_for(standing, vetoable),
        "next_actor": "nobody" if vetoable else "operators",
        "people": _people(filed, standing, asked),
        "missing_people": {name: list(people) for name, people in standing.missing.items()},
        "you_are_last": _is_last(standing, asked.operator),
        "created_at": when(filed.created_at),
        "age_seconds": int((asked.now - filed.created_at).total_seconds()),
        "expires_at": when(filed.not_after),
        "left_seconds": left,
        "left_percent": min(100, int(left * 100 // lasts)) if lasts >= 1 else 0,
        "delay_left_seconds": delay_left(filed, asked.now),
    }


def _moving_row(
    asked: Asked,
    moving: Withdrawal,
    assets: KnownAssets,
    named: Mapping[str, str],
    labels: Mapping[tuple[str, str, str], str],
) -> dict[str, Any]:
    asset = assets.of(moving.asset)
    return {
        "kind": moving.kind,
        "id": moving.id,
        "digest": moving.digest,
        "code": digest_code(moving.digest),
        "sentence": f"Pay {money(moving.units, asset)['decimal']} {asset.code} to {moving.destination}",
        "client": moving.client,
        "client_name": named.get(moving.client),
        "asset": asset_view(asset),
        "amount": money(moving.units, asset),
        "destination": moving.destination,
        "destination_name": labels.get((moving.client, moving.chain, moving.destination)),
        "status": moving.state.value,
        "reason": moving.waiting_for,
        "next_actor": NEXT_ACTOR.get(moving.state, "nobody"),
        "created_at": when(moving.requested_at),
        "age_seconds": int((asked.now - moving.requested_at).total_seconds()),
        "in_state_seconds": int((asked.now - moving.state_since).total_seconds()),
        "txid": moving.txid,
        "risks": [],
        "limits": [],
    }


def _people(filed: FiledIntent, standing: Standing, asked: Asked) -> list[dict[str, Any]]:
    """Of each group that is asked: how many, and who of it has agreed by name."""
    groups = asked.trust.root.groups
    return [
        {
            "group": group,
            "needed": needed,
            "agreed": [person for person in standing.tally.approved if person in groups.get(group, ())],
            "missing": standing.tally.missing.get(group, 0),
        }
        for group, needed in sorted(filed.decision.obligations.approvals.items())
    ]


def _is_last(standing: Standing, operator: str) -> bool:
    left = sum(standing.tally.missing.values()) + len(standing.tally.missing_roles)
    return left == 1 and any(operator in people for people in standing.missing.values())


def _waits_for(standing: Standing, vetoable: bool) -> str:
    if vetoable:
        return "people agreed; its delay runs, and it can still be vetoed"
    words = standing.tally.missing_words
    return f"waits for {words}" if words else "waits for the end of its delay"


def _about(request: Any) -> tuple[str | None, int | None, str | None]:
    """Asset, base units and destination, as far as the kind has them."""
    units = getattr(request, "amount", None)
    return (
        getattr(request, "asset", None),
        units if isinstance(units, int) else None,
        getattr(request, "destination", None),
    )
