"""Everything a person needs to decide on one intent, in one unit: what, whose, how sure, who else, what next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals import misreading
from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.clients import queries as clients
from custody.kernel.clock import parse_rfc3339
from custody.listings import queries as listings
from custody.operators import queries as operators
from custody.trust.assets import KnownAssets, assets_seen
from custody.trust.operations import InForce
from custody.views import effects, risks
from custody.views.findings import CRITICAL, findings, with_first_payment
from custody.views.objects import asset_view, money
from custody.views.signing import signed
from custody.views.standing import whole_intent, whole_withdrawal
from custody.withdrawals import queries as withdrawals

BY_FILE_ONLY: Final = ("operator_change", "group_change", "policy_change", "keyset_change", "root_change")
"""Kinds that change the rules: they are agreed to where the words are read, on one's own machine."""


@dataclass(frozen=True, slots=True)
class Person:
    """One operator and this intent."""

    name: str
    stands: str
    counts: bool


def deciding(
    session: Session,
    filed: FiledIntent,
    *,
    trust: InForce,
    operator: str,
    now: datetime,
    read_out: Mapping[str, Decimal] = MappingProxyType({}),
) -> dict[str, Any]:
    """What ``whole_intent`` says, and what is around it: findings, payment, money, people, limits, reasons.

    ``read_out`` is the size, by an asset's code and in whole units, from which on a first payment is critical.
    """
    root, assets = trust.root, assets_seen(session)
    whole = whole_intent(session, filed, root=root, now=now)
    payment = withdrawals.by_digest(session, digest=filed.digest)
    known = effects.known_of(session, filed, assets=assets)
    found = with_first_payment(findings(session, filed), filed, known, assets=assets, read_out=read_out)
    to = getattr(filed.intent.request, "destination", None)
    place = (filed.client, filed.intent.chain, to or "")
    critical = [each for each in found if each.level == CRITICAL]
    return whole | {
        "client_name": clients.names(session, clients=[filed.client]).get(filed.client),
        "destination": to,
        "destination_name": listings.labels(session, places=[place]).get(place) if to else None,
        "twin": next((each.twin for each in found if each.twin), ""),
        "findings": [asdict(each) for each in found],
        "is_critical": bool(critical) and to is not None,
        "limits": risks.limits(filed.decision, trust.policy),
        "payment": None if payment is None else whole_withdrawal(session, payment, root=root),
        "people": [asdict(each) for each in _people(filed, whole, trust)],
        "reasons": intents.reasons(session, digest=filed.digest),
        "known": known,
        "effect": [] if payment is None else effects.before_and_after(session, payment, assets=assets),
        "rivals": effects.rivals(filed, payment),
        "signed": [] if payment is None else signed(session, filed, payment, root=root, assets=assets),
        "misread": misreading.times(session, digest=filed.digest, operator=operator),
        "has_passkey": _has_passkey(session, trust, operator, now),
        **_money(filed, assets),
    }


def headline(shown: Mapping[str, Any]) -> str:
    """One sentence a tired person can read aloud."""
    if shown.get("amount") is None or not shown.get("destination"):
        return str(shown["words"][0])
    amount = f"{shown['amount']['decimal']} {shown['asset']['code']}"
    whose = shown["client_name"] or shown["client"]
    return f"Send {amount} of {whose} to {shown['destination_name'] or 'the address below'}"


def why_not(operator: str, shown: dict[str, Any]) -> str:
    """Why ``operator`` can decide nothing here, in a sentence; empty where there is something to decide."""
    is_vetoable = shown["state"] == "approved" and shown["delay_left_seconds"] > 0
    if shown["state"] != "pending" and not is_vetoable:
        return f"There is nothing to decide any more: this is {shown['state']}."
    if shown["document"]["request"]["requester"] == operator:
        return "You asked for it: others have to agree."
    if shown["kind"] in BY_FILE_ONLY:
        return "A change of the rules is agreed to on your own machine, with: custody approve FILE"
    if operator in shown["tally"]["approved"] and shown["state"] == "pending":
        return "You have agreed to it."
    return "" if shown["has_passkey"] else "You have no passkey that counts. Register one, or use: custody approve"


def why_not_approve(operator: str, shown: Mapping[str, Any]) -> str:
    """Why who may say no may not say yes: they read the address wrongly, and somebody else has to read it."""
    if shown["misread"] < misreading.MOST:
        return ""
    others = sorted({name for people in shown["missing_people"].values() for name in people} - {operator})
    asked = f"next to ask: {' or '.join(others)}" if others else "nobody else is left who could agree"
    return f"You read another address twice. Somebody else has to read it; {asked}. You can still say no."


def _people(filed: FiledIntent, whole: dict[str, Any], trust: InForce) -> list[Person]:
    """Everybody of the groups and roles that are asked for, the requester besides."""
    requester = filed.intent.request.requester
    said = {each["approver"]: each for each in whole["approvals"]}
    asked = {name for group in filed.decision.obligations.approvals for name in trust.root.groups.get(group, ())}
    asked |= {name for role in filed.decision.obligations.roles for name in trust.policy.roles.get(role, ())}
    waited = {name for people in whole["missing_people"].values() for name in people}
    found = []
    for name in sorted(asked | said.keys() | {requester}):
        if name in said:
            does = "agreed" if said[name]["verdict"] == "approve" else "said no"
            at = parse_rfc3339(said[name]["given_at"], field="given_at")
            stands = f"{does} by {said[name]['by']} at {at:%Y-%m-%d %H:%M:%S} UTC"
        elif name == requester:
            stands = "cannot approve: asked for it"
        elif name in waited:
            stands = "has not spoken"
        else:
            stands = "is not needed any more" if not waited else "cannot approve this one"
        found.append(Person(name, stands, name in whole["tally"]["approved"]))
    return found


def _has_passkey(session: Session, trust: InForce, operator: str, now: datetime) -> bool:
    theirs = {
        each.id
        for person in trust.root.operators
        if person.id == operator
        for each in person.credentials
        if trust.root.counts(each.id, now)
    }
    return bool(theirs - operators.locked(session))


def _money(filed: FiledIntent, assets: KnownAssets) -> dict[str, Any]:
    request = filed.intent.request
    units, named, fee = (getattr(request, name, None) for name in ("amount", "asset", "max_fee"))
    if not isinstance(units, int) or named is None:
        return {"asset": None, "amount": None, "max_fee": None, "fee_share": None, "usd": None}
    asset, own = assets.of(named), assets.native(filed.intent.chain)
    usd = filed.decision.facts.get("usd_micros")
    return {
        "asset": asset_view(asset),
        "amount": money(units, asset),
        "max_fee": None if fee is None else {**money(fee, own), "code": own.code},
        "fee_share": _share(fee, units) if isinstance(fee, int) and own.id == asset.id else None,
        "usd": None if usd is None else f"{int(usd) // 1_000_000:,}".replace(",", "\u202f"),
        "price_age_seconds": filed.decision.facts.get("price_age_seconds"),
    }


def _share(fee: int, units: int) -> str:
    """What part of ``units`` the fee is, in percent, rounded up to the hundredth."""
    hundredths = -(-fee * 10_000 // max(units, 1))
    return f"{hundredths // 100}.{hundredths % 100:02d} %"
