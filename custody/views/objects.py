"""What callers are shown. Amounts are decimal strings with base units beside them; times are UTC with ``Z``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from custody.addresses.shown import address_view as address_view
from custody.approvals.queries import FiledIntent
from custody.approvals.saying import words_of as words_of
from custody.clients.shown import client_view as client_view
from custody.deposits.shown import deposit_view as deposit_view
from custody.evidence.approvals import Approval
from custody.evidence.passkeys import Assertion
from custody.evidence.words import digest_code
from custody.kernel.clock import rfc3339
from custody.kernel.money import Asset
from custody.kernel.shown import asset_view as asset_view
from custody.kernel.shown import money as money
from custody.kernel.shown import when as when
from custody.ledger.queries import ClientBalance
from custody.openings.operations import Opening
from custody.relaying.model import Cost
from custody.signing.operations import Answer
from custody.spends import shown
from custody.spends.model import Attempt
from custody.trust.assets import KnownAssets
from custody.vaults.shown import vault_view as vault_view
from custody.withdrawals.model import Step
from custody.withdrawals.shown import withdrawal_view as withdrawal_view
from policies.decision import Decision, explain
from policies.tally import Tally


def balance_view(balance: ClientBalance, assets: KnownAssets) -> dict[str, Any]:
    """One asset of one client. Raises ``AssetUnknown``."""
    asset = assets.of(balance.asset)
    parts = ("available", "held", "pledged", "receivable", "total")
    return {"asset": asset_view(asset)} | {part: money(getattr(balance, part), asset) for part in parts}


def opening_view(opening: Opening) -> dict[str, Any]:
    """Where a client's opening stands, and the code people compare."""
    return {
        "client": opening.client,
        "state": opening.state,
        "digest": opening.digest,
        "code": digest_code(opening.digest),
    }


def attempt_view(attempt: Attempt, own: Asset, carried: Cost | None) -> dict[str, Any]:
    """One transaction of a withdrawal; any two of them share a claim.

    ``fee`` is paid out of the vault. ``gas`` is what carrying it cost, and is null where it carries itself and before
    that is known; ``gas_borne_by`` says who bore how much of it.
    """
    return shown.attempt_view(attempt, own) | {
        "gas": None if carried is None else money(carried.units, own),
        "gas_borne_by": None if carried is None else _bearers(carried, own),
    }


def _bearers(carried: Cost, own: Asset) -> dict[str, dict[str, str]]:
    return {
        "client": money(carried.billed_units, own),
        "house": money(carried.units - carried.billed_units, own),
    }


def step_view(step: Step) -> dict[str, Any]:
    """One move of the state."""
    return {
        "step": step.step,
        "from": step.from_state,
        "to": step.to_state,
        "event": step.event,
        "actor": step.actor,
        "at": rfc3339(step.at),
    }


def intent_view(
    filed: FiledIntent,
    *,
    given: Sequence[Approval],
    tally: Tally,
    missing: Mapping[str, Sequence[str]],
    assets: KnownAssets,
    now: datetime,
) -> dict[str, Any]:
    """Everything a person needs to decide: the document to hash again, its words, the decision, who has spoken.

    ``missing`` names, of each group that misses somebody, whose approval would count.
    """
    return {
        "digest": filed.digest,
        "code": digest_code(filed.digest),
        "kind": filed.intent.kind,
        "state": filed.state,
        "client": filed.client,
        "document": filed.intent.to_json(),
        "request_signature": filed.request_signature.to_json(),
        "words": words_of(filed, assets),
        "decision": decision_view(filed.decision),
        "tally": {
            "approved": list(tally.approved),
            "missing": dict(tally.missing),
            "missing_roles": list(tally.missing_roles),
            "met": tally.met,
        },
        "missing_people": {group: list(people) for group, people in missing.items()},
        "approvals": [_spoken(approval) for approval in given],
        "delay_left_seconds": delay_left(filed, now),
        "not_before": when(filed.not_before),
        "not_after": rfc3339(filed.not_after),
        "created_at": rfc3339(filed.created_at),
    }


def delay_left(filed: FiledIntent, now: datetime) -> int:
    """Whole seconds until what was agreed to may happen; until then a member may still say no."""
    if filed.not_before is None or filed.state not in ("pending", "approved"):
        return 0
    return max(0, math.ceil((filed.not_before - now).total_seconds()))


def decision_view(decision: Decision) -> dict[str, Any]:
    """What the policy said, and why in words."""
    return {
        "outcome": decision.outcome.value,
        "approvals": dict(decision.obligations.approvals),
        "delay_seconds": decision.obligations.delay_seconds,
        "rules": [{"kind": rule.kind, "title": rule.title} for rule in decision.rules],
        "explanation": explain(decision),
        "document_hash": decision.document_hash,
    }


def answer_view(answer: Answer) -> dict[str, Any]:
    """Where a bundle stands after an answer."""
    return {"bundle": answer.bundle, "state": answer.state, "signed_by": list(answer.signed_by)}


def _spoken(approval: Approval) -> dict[str, str]:
    statement = approval.statement
    return {
        "approver": statement.approver,
        "verdict": statement.verdict,
        "by": "passkey" if isinstance(approval.signature, Assertion) else "key",
        "given_at": rfc3339(statement.given_at),
        "not_after": rfc3339(statement.not_after),
    }
