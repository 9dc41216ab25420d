"""Registering keysets, opening, freezing and marking vaults."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.clients import queries as clients
from custody.events import operations as events
from custody.evidence.intents import VaultName
from custody.evidence.keysets import Keyset
from custody.evidence.signatures import Signature
from custody.kernel.clock import rfc3339
from custody.kernel.errors import Conflict, Refused
from custody.stops import operations as stops
from custody.stops import queries as stopped
from custody.stops.model import Cause
from custody.vaults import queries
from custody.vaults.model import HOUSE, POOL, SEGREGATED, Vault, check_keyset
from custody.vaults.shown import vault_view
from custody.vaults.tables import KeysetRow, VaultMemberRow, VaultRow


class KeysetExists(Conflict):
    """Another keyset has that id: keysets are rotated, never edited."""

    code = "keyset-exists"


class BranchTaken(Conflict):
    """The branch is somebody else's, or is of the other kind."""

    code = "branch-taken"


class VaultOpen(Conflict):
    """The client has another vault of this keyset already (one vault per chain and keyset)."""

    code = "vault-open"


class SegregationMismatch(Refused):
    """A segregated client cannot share a pool, an omnibus client cannot own a branch."""

    code = "segregation-mismatch"


def register_keyset(
    session: Session, *, keyset: Keyset, consents: tuple[Signature, ...], actor: str, now: datetime
) -> None:
    """Store a keyset that every cosigner consented to; storing the same one again changes nothing.

    Raises ``KeysetRefused``, ``InvalidInput``, ``ProofRefused`` (see ``model.check_keyset``), ``KeysetExists``.
    """
    check_keyset(keyset, consents)
    written = session.execute(
        insert(KeysetRow)
        .values(
            id=keyset.id,
            chain=keyset.chain,
            threshold=keyset.threshold,
            document=keyset.to_json(),
            descriptor_hash=keyset.descriptor_hash,
            consents=[consent.to_json() for consent in consents],
            registered_at=now,
        )
        .on_conflict_do_nothing()
        .returning(KeysetRow.id)
    ).scalar_one_or_none()
    if written is None:
        _expect_same_keyset(session, keyset)
        return
    facts = {"descriptor_hash": keyset.descriptor_hash}
    audit.record(session, event="keyset.registered", subject=keyset.id, actor=actor, now=now, facts=facts)


def open_vault(
    session: Session,
    *,
    keyset_id: str,
    branch: int,
    kind: str,
    client: str,
    actor: str,
    now: datetime,
    opening: str | None = None,
) -> Vault:
    """Give ``client`` its vault: a new branch for a segregated client, a shared one for omnibus clients.

    ``opening`` is the digest of the intent that asked for it, by default the client's own. Opening the same again
    returns the same vault. Raises ``UnknownClient``, ``UnknownKeyset``, ``KeysetTampered``, ``SegregationMismatch``,
    ``BranchTaken`` or ``VaultOpen``; ``InvalidInput`` for a branch that is none.
    """
    owner = clients.get(session, client=client)
    if (owner.segregation == "segregated") != (kind == SEGREGATED):
        raise SegregationMismatch(f"a {kind} vault is not for this client", field="request.segregation")
    keyset = queries.keyset(session, keyset_id=keyset_id)
    vault = VaultName.parse(f"{keyset_id}/{branch}", field="request.branch")
    row, is_new = _branch(session, vault, keyset.chain, kind, now)
    if _join(session, row, client, opening or owner.opening, is_new, now):
        facts = {"client": client, "kind": kind}
        audit.record(session, event="vault.opened", subject=row.id, actor=actor, now=now, facts=facts)
        _tell(session, queries.view(row), "opened", actor, now)
    return queries.view(row)


def open_house(session: Session, *, vault: str, chain: str, actor: str, now: datetime) -> Vault:
    """The place of the house's own money of that id, made when it is first asked for."""
    written = session.execute(
        insert(VaultRow)
        .values(id=vault, keyset_id=None, branch=0, chain=chain, kind=HOUSE, opened_at=now)
        .on_conflict_do_nothing()
        .returning(VaultRow.id)
    ).scalar_one_or_none()
    if written is not None:
        facts = {"chain": chain, "kind": HOUSE}
        audit.record(session, event="vault.opened", subject=vault, actor=actor, now=now, facts=facts)
        _tell(session, queries.get(session, vault=vault), "opened", actor, now)
    return queries.get(session, vault=vault)


def freeze_vault(
    session: Session, *, vault: str, reason: str, actor: str, now: datetime, cause: Cause = Cause.BREAK
) -> bool:
    """Stop everything that spends from the vault for what the daemon found, and raise the alarm.

    False where it was frozen already; another cause than before is added. Raises ``UnknownVault``.
    """
    queries.get(session, vault=vault, lock=True)
    is_new = stops.put(session, scope="vault", subject=vault, cause=cause, reason=reason, now=now)
    changed = note_stopped(session, vault=vault, cause=cause, reason=reason, actor=actor, now=now)
    if is_new:
        step = f"{reason} {rfc3339(now)}"
        audit.raise_alarm(session, kind="vault-frozen", subject=vault, step=step, why=reason, now=now)
    return changed


def note_stopped(session: Session, *, vault: str, cause: Cause, reason: str, actor: str, now: datetime) -> bool:
    """The vault is stopped and says why. False where it was; what the daemon found goes before people's word."""
    row = session.execute(select(VaultRow).where(VaultRow.id == vault).with_for_update()).scalar_one()
    was_frozen = row.frozen_at is not None
    if was_frozen and (cause is Cause.PEOPLE or row.frozen_cause != Cause.PEOPLE):
        return False
    row.frozen_reason, row.frozen_cause, row.frozen_at = reason, cause.value, now
    session.flush()
    audit.record(session, event="vault.frozen", subject=vault, actor=actor, now=now, facts={"reason": reason})
    _tell(session, queries.view(row), "frozen", actor, now)
    return not was_frozen


def note_lifted(session: Session, *, vault: str, actor: str, now: datetime) -> bool:
    """A stop of the vault was lifted: it is free where none stands any more, and else says the oldest that does."""
    row = session.execute(select(VaultRow).where(VaultRow.id == vault).with_for_update()).scalar_one()
    left = sorted(stopped.standing(session, scope="vault", subject=vault), key=lambda stop: stop.cause is Cause.PEOPLE)
    if left:
        row.frozen_reason, row.frozen_cause = left[0].reason, left[0].cause.value
        session.flush()
        return False
    if row.frozen_at is None:
        return False
    row.frozen_reason = row.frozen_cause = row.frozen_at = None
    session.flush()
    audit.record(session, event="vault.unfrozen", subject=vault, actor=actor, now=now)
    _tell(session, queries.view(row), "unfrozen", actor, now)
    return True


def freeze_changed(
    session: Session, *, vault: str, locator: bytes, sentences: Sequence[str], actor: str, now: datetime
) -> None:
    """Freeze the vault of a place that obeys others than its keyset says, and raise an alarm for what differs (I15)."""
    why = f"the rules of {locator.hex()} were changed: {'; '.join(sentences)}"
    audit.raise_alarm(session, kind="rules-changed", subject=vault, step=why, why=why, now=now)
    freeze_vault(session, vault=vault, reason=why, actor=actor, now=now, cause=Cause.RULES)


def note_reconciled(session: Session, *, vault: str, height: int, now: datetime) -> None:
    """The vault agreed with the node at ``height``. An older height than the one noted changes nothing."""
    session.execute(
        update(VaultRow)
        .where(VaultRow.id == vault, VaultRow.reconciled_height.is_(None) | (VaultRow.reconciled_height <= height))
        .values(reconciled_height=height, reconciled_at=now)
    )


def _tell(session: Session, vault: Vault, event: str, actor: str, now: datetime) -> None:
    events.publish(
        session,
        kind="vault",
        subject=vault.id,
        event=event,
        data=vault_view(vault),
        client=None,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _expect_same_keyset(session: Session, keyset: Keyset) -> None:
    if queries.keyset(session, keyset_id=keyset.id) != keyset:
        raise KeysetExists("another keyset has that id", field="keyset.id")


def _branch(session: Session, vault: VaultName, chain: str, kind: str, now: datetime) -> tuple[VaultRow, bool]:
    written = session.execute(
        insert(VaultRow)
        .values(id=str(vault), keyset_id=vault.keyset, branch=vault.branch, chain=chain, kind=kind, opened_at=now)
        .on_conflict_do_nothing()
        .returning(VaultRow.id)
    ).scalar_one_or_none()
    row = session.execute(select(VaultRow).where(VaultRow.id == str(vault)).with_for_update()).scalar_one()
    if row.kind != kind:
        raise BranchTaken(f"the branch is a {row.kind} vault", field="request.branch")
    return row, written is not None


def _join(session: Session, row: VaultRow, client: str, opening: str, is_new: bool, now: datetime) -> bool:
    assert row.keyset_id is not None
    present = session.execute(
        select(VaultMemberRow.vault_id).where(
            VaultMemberRow.client_id == client, VaultMemberRow.keyset_id == row.keyset_id
        )
    ).scalar_one_or_none()
    if present == row.id:
        return False
    if present is not None:
        raise VaultOpen("the client has another vault of this keyset", field="request.branch")
    if row.kind != POOL and not is_new:
        raise BranchTaken("the branch is another client's", field="request.branch")
    session.add(VaultMemberRow(client_id=client, keyset_id=row.keyset_id, vault_id=row.id, opening=opening, since=now))
    session.flush()
    return True
