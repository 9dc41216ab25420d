"""The policy as people read it: a card for each rule, what it did of late, and what waits to replace it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals import uses as recent
from custody.approvals.uses import NEWEST, Use
from custody.changes import operations as proposals
from custody.changes import queries as changes
from custody.clients import queries as clients
from custody.evidence.changes import differences_in_words
from custody.evidence.codes import digest_code
from custody.evidence.requests import Request, RuleChange, client_of
from custody.evidence.words import say
from custody.kernel.errors import InvalidInput
from custody.kernel.money import parse_decimal
from custody.trust.operations import InForce
from custody.views.objects import when
from custody.windows import operations as windows
from policies.decision import Decision, Outcome
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.obligations import obligation_words
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.vocabulary import KINDS

OF_LATE: Final = timedelta(days=7)
_EFFECT: Final = {"permit": "may go", "forbid": "never goes"}


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the policy says of a request that nobody signed yet."""

    outcome: str
    words: str
    """One sentence: who has to agree, that nobody has to, or why it is denied."""


def policy_view(session: Session, trust: InForce, *, now: datetime) -> dict[str, Any]:
    """The document in force as cards, and every proposal of the next version of the trust root."""
    looked_at, uses = recent.uses_of_rules(session, since=now - OF_LATE)
    root = trust.root
    return {
        "name": trust.policy.name,
        "version": trust.policy.version,
        "hash": trust.policy.hash,
        "root_version": root.version,
        "looked_at": looked_at,
        "looked_at_most": NEWEST,
        "rules": [_card(rule, uses.get(rule.title)) for rule in trust.policy.rules],
        "assets": [{"code": asset.code, "id": asset.id, "chain": asset.chain} for asset in root.assets],
        "proposals": _proposals(session, version=root.version + 1),
    }


def prospect_of(session: Session, trust: InForce, request: Request, *, now: datetime) -> Prospect:
    """What the policy will say of ``request``, as far as it can be said before it is filed."""
    decision = evaluate(trust.policy, _facts(session, request, now), nothing_used)
    if decision.outcome is Outcome.DENY:
        return Prospect("deny", f"The policy does not permit it: {decision.denial}.")
    if decision.outcome is Outcome.REQUIRE:
        return Prospect("require", f"Nothing happens until {obligation_words(decision.obligations)}.")
    return Prospect("allow", "The policy asks nobody else: it takes effect at once.")


def explained(session: Session, trust: InForce, asked: Mapping[str, str], *, requester: str, now: datetime) -> Decision:
    """What the policy answers now to a request of these facts, beside what was admitted before.

    ``asked`` has ``kind``, ``client``, ``asset`` (its code), ``amount`` (decimal), ``destination``; empty is unknown.
    What only a payment itself would show counts as good: its books, its pledges, its screening. Raises ``InvalidInput``
    naming the field, ``UnknownClient``.
    """
    if asked["kind"] not in KINDS:
        raise InvalidInput(f"not known; accepted are {', '.join(sorted(KINDS))}", field="kind")
    client = clients.get(session, client=asked["client"]) if asked["client"] else None
    asset = next((each for each in trust.root.assets if each.code == asked["asset"]), None)
    if asked["asset"] and asset is None:
        raise InvalidInput("not the code of a registered asset", field="asset")
    if asked["amount"] and asset is None:
        raise InvalidInput("an amount is of an asset", field="asset")
    units = parse_decimal(asked["amount"], asset, field="amount").units if asset and asked["amount"] else None
    facts = Facts(
        kind=asked["kind"],
        requester=requester,
        now=now,
        client=None if client is None else client.id,
        client_status=None if client is None else client.status,
        segregation=None if client is None else client.segregation,
        asset=None if asset is None else asset.code,
        decimals=None if asset is None else asset.decimals,
        chain=None if asset is None else asset.chain,
        destination=asked["destination"] or None,
        amount_units=units,
        screening="clear",
        collateral="none",
        vault_break="none",
        books_age_seconds=0,
    )
    return windows.decide(session, policy=trust.policy, facts=facts)


def proposal_file(session: Session, *, digest: str) -> dict[str, Any]:
    """What ``custody approve`` reads: the signed request with the version it names. Raises ``UnknownProposal``."""
    proposal = proposals.proposed(session, digest=digest)
    (filed,) = recent.filed(session, digests=[digest])
    return {
        "request": filed.intent.request.to_json(),
        "signature": filed.request_signature.to_json(),
        "attachments": proposal.to_json(),
    }


def changes_in_words(trust: InForce, attachments: Mapping[str, Any]) -> list[str]:
    """Everything that a proposed version changes of the one in force, one line each."""
    from custody.evidence.proposals import Proposal

    proposal = Proposal.parse(attachments)
    return differences_in_words(
        trust.root, proposal.root, policy_before=trust.policy_text, policy_after=proposal.policy
    )


def _card(rule: Rule, use: Use | None) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "title": rule.title,
        "sentence": sentence(rule),
        "uses": 0 if use is None else use.times,
        "last": None if use is None else use.last,
    }


def sentence(rule: Rule) -> str:
    """A rule in one plain sentence, which begins with the kinds of request that it is about."""
    named = any(condition.field == "kind" for condition in rule.match.conditions)
    kinds = " or ".join(kind.replace("_", " ") for kind in sorted(rule.match.kinds)) if named else "anything"
    said = [condition.words for condition in rule.match.conditions if condition.field != "kind"]
    said += [total.words for total in rule.match.totals]
    where = f" where {' and '.join(said)}" if said else ""
    if isinstance(rule, Require):
        return f"{kinds.capitalize()}{where}: goes only once {obligation_words(rule.obligations)}."
    limit = f", {rule.limit.words}" if isinstance(rule, Permit) and rule.limit else ""
    return f"{kinds.capitalize()}{where}: {_EFFECT[rule.kind]}{limit}."


def _proposals(session: Session, *, version: int) -> list[dict[str, Any]]:
    found = recent.filed(session, digests=changes.proposed_as(session, version=version))
    people = recent.people_of(session, digests=[each.digest for each in found])
    shown = []
    for each in found:
        request = each.intent.request
        assert isinstance(request, RuleChange)
        shown.append(
            {
                "digest": each.digest,
                "code": digest_code(each.digest),
                "kind": each.intent.kind,
                "version": request.version,
                "subject": request.subject,
                "words": say(each.intent)[0],
                "state": each.state,
                "requester": request.requester,
                "agreed": people[each.digest].approved,
                "rejected": people[each.digest].rejected,
                "needs": obligation_words(each.decision.obligations),
                "not_before": when(each.not_before),
                "not_after": each.not_after,
                "created_at": each.created_at,
            }
        )
    return shown


def _facts(session: Session, request: Request, now: datetime) -> Facts:
    named = client_of(request)
    client = None if named is None or named == "house" else clients.get(session, client=named)
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=None if client is None else client.id,
        client_status=None if client is None else client.status,
        segregation=None if client is None else client.segregation,
        chain=getattr(request, "chain", None),
    )
