"""What would become of a withdrawal if it were asked for now: verdict, people, what is held and what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.evidence.codes import digest_code
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.words import say
from custody.kernel.clock import rfc3339
from custody.kernel.money import Asset
from custody.kernel.shown import account_id, asset_view, money
from custody.ledger import queries as ledger
from custody.ledger.queries import ClientBalance
from custody.trust.assets import assets_seen
from custody.trust.operations import InForce
from custody.views import risks
from custody.views.objects import decision_view
from custody.windows import operations as windows
from custody.withdrawals.operations import Judged
from policies.decision import Decision, Outcome
from policies.tally import satisfied

WOULD_BE: Final[Mapping[Outcome, str]] = {
    Outcome.ALLOW: "approved",
    Outcome.REQUIRE: "pending_approval",
    Outcome.DENY: "denied",
}
"""The status it would be created with."""


def prospect(
    session: Session, judged: Judged, *, request: WithdrawalRequest, trust: InForce, is_signed: bool
) -> dict[str, Any]:
    """The policy's verdict on ``judged`` beside all that counts now, and the balances after it. Writes nothing."""
    decision = windows.decide(session, policy=trust.policy, facts=judged.facts)
    assets = assets_seen(session)
    asset, own = assets.of(request.asset), assets.native(judged.intent.chain)
    before = next(
        (each for each in ledger.balances(session, client=request.client) if each.asset == request.asset),
        ClientBalance(request.client, request.asset, 0, 0, 0, 0),
    )
    enough = before.available >= judged.leaving.units
    would_be = WOULD_BE[decision.outcome] if enough or decision.outcome is Outcome.DENY else None
    missing, people = _missing(decision, trust, request.requester)
    return {
        "verdict": decision.outcome.value,
        "status": would_be or "refused",
        "reason": decision_view(decision)["explanation"][0] if enough else "the client has not that much available",
        "next_actor": "operators" if would_be == "pending_approval" else "nobody",
        "expires_at": rfc3339(request.not_after),
        "signed": is_signed,
        "intent_digest": judged.intent.digest,
        "digest_code": digest_code(judged.intent.digest),
        "words": say(judged.intent, asset=asset, fee_asset=own),
        "client": request.client,
        "vault": judged.vault.id,
        "asset": asset_view(asset),
        "amount": money(request.amount, asset),
        "max_fee": money(request.max_fee, own),
        "destination": judged.destination.address,
        "destination_account": account_id(judged.intent.chain, judged.destination.address),
        "decision": decision_view(decision),
        "limits": risks.limits(decision, trust.policy),
        "missing_approvals": missing,
        "missing_people": people,
        "delay_seconds": decision.obligations.delay_seconds,
        "holds": money(judged.leaving.units if decision.outcome is not Outcome.DENY else 0, asset),
        "sufficient": enough,
        "balances": {
            "before": _parts(before, asset, 0),
            "after": _parts(before, asset, judged.leaving.units if would_be in ("approved", "pending_approval") else 0),
        },
    }


def _missing(decision: Decision, trust: InForce, requester: str) -> tuple[dict[str, int], dict[str, list[str]]]:
    """How many of each group or role nobody fills yet, and whose word would count."""
    if decision.outcome is not Outcome.REQUIRE:
        return {}, {}
    groups: Mapping[str, Collection[str]] = trust.root.groups
    roles = trust.policy.roles
    tally = satisfied(decision.obligations, groups, (), initiator=requester, roles=roles)
    counts = dict(tally.missing) | dict.fromkeys(tally.missing_roles, 1)
    return counts, {name: sorted(set(groups.get(name, roles.get(name, ()))) - {requester}) for name in counts}


def _parts(balance: ClientBalance, asset: Asset, held: int) -> dict[str, Any]:
    return {
        "total": money(balance.total, asset),
        "available": money(balance.available - held, asset),
        "held": money(balance.held + held, asset),
        "pledged": money(balance.pledged, asset),
    }
