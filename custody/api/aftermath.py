"""What a failed call leaves behind, in a unit of its own because the call's was rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.api.console.door import NotLetIn
from custody.api.knocking import Knocking
from custody.approvals.operations import IdempotencyMismatch
from custody.audit import operations as audit
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.evidence.approvals import ApprovalRefused
from custody.evidence.check import PasskeyCannotAsk
from custody.evidence.passkeys import AssertionRefused
from custody.kernel.errors import Broken, CustodyError
from custody.operators import operations as operators
from custody.operators.operations import CounterWentBack, PasskeyRefused
from custody.vaults.queries import KeysetTampered

NOBODY: Final = "nobody"
"""The actor where who called is not known."""
_BY_PASSKEY: Final = (ApprovalRefused, PasskeyRefused, AssertionRefused, PasskeyCannotAsk, NotLetIn)
_LEAVES_SOMETHING: Final = (Broken, IdempotencyMismatch, addresses.StockEmpty, *_BY_PASSKEY)


def leave_behind(
    runtime: Runtime, knocking: Knocking, error: CustodyError, *, where: str, actor: str, correlation_id: str
) -> None:
    """Page for what is broken, record refused verdicts and keys used for another body, ask for the stock that ran out.

    A passkey whose counter went back is locked here. What else a passkey fails at is recorded as ``knocking`` says: so
    much of each caller, less in the name of an operator whom nobody has shown to be, and nothing by who is not known.

    ``where`` is the method and the route's template. Raises what the unit raises.
    """
    if not isinstance(error, _LEAVES_SOMETHING) or not _is_kept(knocking, error, actor):
        return
    with runtime.database.unit() as unit:
        if isinstance(error, (addresses.AddressTampered, KeysetTampered)):
            addresses.record_tampering(unit.session, error=error, actor=actor, now=unit.now)
        elif isinstance(error, Broken):
            _page(unit, error, where)
        elif isinstance(error, IdempotencyMismatch):
            _record_mismatch(unit, error, actor, correlation_id)
        elif isinstance(error, _BY_PASSKEY):
            _record_refusal(unit, error, where, actor, correlation_id)
        else:
            _restock(unit.session, unit, error)


def facts_of(error: CustodyError) -> Mapping[str, Any]:
    """What the log is told of it: the door answers a browser in words of its own, and what it heard is their cause."""
    heard = error.__cause__
    return heard.facts | error.facts if isinstance(heard, CustodyError) else error.facts


def _is_kept(knocking: Knocking, error: CustodyError, actor: str) -> bool:
    if not isinstance(error, _BY_PASSKEY) or isinstance(error, CounterWentBack):
        return True
    named = str(facts_of(error).get("operator", "")) if actor == NOBODY else actor
    return bool(named) and knocking.is_kept(named, at_the_door=actor == NOBODY)


def _page(unit: Unit, error: Broken, where: str) -> None:
    subject = str(next(iter(error.facts.values()), where))[:200]
    audit.raise_alarm(unit.session, kind=error.code, subject=subject, step=where, why=str(error), now=unit.now)


def _record_mismatch(unit: Unit, error: IdempotencyMismatch, actor: str, correlation_id: str) -> None:
    audit.record(
        unit.session,
        event="intent.key_reused",
        subject=str(error.facts["digest"]),
        actor=actor,
        now=unit.now,
        correlation_id=correlation_id,
        facts={"field": error.field or ""},
    )


def _record_refusal(unit: Unit, error: CustodyError, where: str, actor: str, correlation_id: str) -> None:
    """What did not count, by the one check it failed; a passkey that may be a copy is locked."""
    said = facts_of(error)
    facts = {"reason": str(said.get("reason", error.code)), "field": error.field or ""}
    named = {name: str(said[name]) for name in ("about", "operator") if name in said}
    audit.record(
        unit.session,
        event=_event(error),
        subject=where,
        actor=actor,
        now=unit.now,
        correlation_id=correlation_id,
        facts=facts | named,
    )
    if isinstance(error, CounterWentBack):
        operators.lock(
            unit.session,
            credential=str(error.facts["credential"]),
            operator=str(error.facts["operator"]),
            why=error.message,
            now=unit.now,
        )


def _event(error: CustodyError) -> str:
    if isinstance(error, NotLetIn):
        return "sign_in.refused"
    if "about" in error.facts:
        return "step_up.refused"
    return "request.refused" if isinstance(error, PasskeyCannotAsk) else "approval.refused"


def _restock(session: Session, unit: Unit, error: CustodyError) -> None:
    vault, kept_for = str(error.facts["vault"]), str(error.facts["kept_for"])
    addresses.request_restock(session, vault=vault, kept_for=kept_for, now=unit.now)
