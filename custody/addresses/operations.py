"""Stocking, handing out and burning addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import queries
from custody.addresses.model import AddressState, DepositAddress, OwnedAddress, StockPlan, keeper
from custody.addresses.sealing import AddressTampered, Sealer, view
from custody.addresses.shown import address_view
from custody.addresses.tables import STOCK, AddressRow
from custody.audit import operations as audit
from custody.chains.addressing import Derived
from custody.clients import queries as clients
from custody.events import operations as events
from custody.kernel.errors import Conflict, CustodyError, Refused, Unavailable
from custody.outbox import operations as outbox
from custody.vaults import queries as vaults

__all__ = [
    "AddressTampered", "ClientNotActive", "NotAMember", "StockEmpty", "StockMoved", "allocate", "allocate_change",
    "add_house_place", "burn_stock", "expect_may_be_given", "plan_stock", "record_tampering", "request_restock",
    "retire", "store",
]  # fmt: skip


class NotAMember(Refused):
    """The vault is not this client's."""

    code = "not-a-member"


class ClientNotActive(Refused):
    """A client that is frozen, defaulted or closed gets no new address; its old ones are watched for ever."""

    code = "client-not-active"


class StockEmpty(Unavailable):
    """No derived address is left; ask again when the stock is filled (``request_restock`` in a unit of its own)."""

    code = "address-stock-empty"


class StockMoved(Conflict):
    """Derived addresses of another keyset than the vault has now."""

    code = "address-stock-moved"


def plan_stock(
    session: Session, *, vault: str, change: bool, target: int, seal_key: bytes, kept_for: str = ""
) -> StockPlan | None:
    """What to derive so that ``target`` addresses are in stock; None when they are. ``kept_for`` as the row has it.

    The newest address must still be under its seal, so a keyset replaced behind our back fills no stock. Raises
    ``UnknownVault``, ``KeysetTampered`` or ``AddressTampered``.
    """
    # The newest first: a filler that commits between the two questions then leaves nothing missing.
    last = _last(session, vault, kept_for, change)
    missing = target - queries.stock_level(session, vault=vault, change=change, kept_for=kept_for)
    if missing <= 0:
        return None
    found = vaults.get(session, vault=vault)
    if last is not None:
        Sealer(session, seal_key).expect(last)
    first = 0 if last is None else last.index + 1
    keyset = vaults.keyset(session, keyset_id=found.keyset)
    return StockPlan(
        vault=vault,
        branch=found.branch,
        kept_for=kept_for,
        change=change,
        indexes=range(first, first + missing),
        source=vaults.source_of(session, vault=found),
        keyset_hash=keyset.descriptor_hash,
    )


def store(
    session: Session,
    *,
    plan: StockPlan,
    derived: Sequence[Derived],
    seal_key: bytes,
    now: datetime,
    burned: bool = False,
) -> int:
    """Put confirmed addresses (``model.derive``) into stock; returns how many were new.

    ``burned`` stores them as never to be handed out but watched: the indexes a restored database forgot. Raises
    ``StockMoved`` when the keyset is no longer the plan's.
    """
    sealer = Sealer(session, seal_key)
    keyset = vaults.keyset(session, keyset_id=vaults.get(session, vault=plan.vault).keyset)
    if keyset.descriptor_hash != plan.keyset_hash:
        raise StockMoved("the vault's keyset is another one now", vault=plan.vault)
    rows = [_stock_row(sealer, plan, found, burned, now) for found in derived]
    if not rows:
        return 0
    statement = insert(AddressRow).on_conflict_do_nothing(index_elements=["vault_id", "kept_for", "change", "index"])
    return len(session.execute(statement.returning(AddressRow.id), rows).all())


def allocate(
    session: Session, *, vault: str, client: str, seal_key: bytes, low_mark: int, actor: str, now: datetime
) -> DepositAddress:
    """Hand the next address out of stock to ``client``, for ever its own. No curve work.

    Below ``low_mark`` left in stock ``addresses.restock`` is emitted. Raises ``UnknownClient``,
    ``ClientNotActive``, ``NotAMember``, ``StockEmpty``, and ``AddressTampered`` or ``KeysetTampered`` (tell of
    them with ``record_tampering`` in another unit).
    """
    expect_may_be_given(session, vault=vault, client=client)
    return _hand_out(session, vault, False, client, seal_key, low_mark, actor, now)


def expect_may_be_given(session: Session, *, vault: str, client: str) -> None:
    """Raise ``UnknownClient``, ``ClientNotActive`` or ``NotAMember`` where the client gets no address of the vault."""
    if clients.get(session, client=client).status != "active":
        raise ClientNotActive("the client is not active", field="client")
    if not vaults.is_member(session, vault=vault, client=client):
        raise NotAMember("the vault is not this client's", field="vault")


def allocate_change(
    session: Session, *, vault: str, seal_key: bytes, low_mark: int, actor: str, now: datetime
) -> DepositAddress:
    """Take the next change address of ``vault``. Raises as ``allocate`` does, but for the client."""
    return _hand_out(session, vault, True, None, seal_key, low_mark, actor, now)


def burn_stock(session: Session, *, actor: str, now: datetime) -> int:
    """After a restore: whatever was in stock may have been handed out since the backup, so nothing of it will be.

    Burned addresses stay watched. Returns how many.
    """
    burned = session.execute(
        update(AddressRow).where(STOCK).values(state=AddressState.BURNED.value).returning(AddressRow.id)
    ).all()
    audit.record(session, event="addresses.burned", subject="stock", actor=actor, now=now, facts={"count": len(burned)})
    return len(burned)


def add_house_place(
    session: Session, *, vault: str, chain: str, locator: bytes, address: str, now: datetime
) -> OwnedAddress:
    """Watch a place of the house's own vault, of ``chain``. It is handed to nobody, so it has no seal."""
    highest = select(func.coalesce(func.max(AddressRow.index), -1)).where(AddressRow.vault_id == vault)
    row = AddressRow(
        vault_id=vault,
        change=False,
        index=session.execute(highest).scalar_one() + 1,
        locator=locator,
        address=address,
        state=AddressState.HOUSE.value,
        client_id=None,
        seal=b"",
        derived_at=now,
    )
    session.add(row)
    session.flush()
    return OwnedAddress(row.id, vault, None, False, row.index, AddressState.HOUSE, chain)


def retire(session: Session, *, address_ids: Collection[int]) -> None:
    """Burn those still in stock: somebody paid them before they were anybody's."""
    session.execute(
        update(AddressRow)
        .where(AddressRow.id.in_(sorted(address_ids)), AddressRow.state == AddressState.STOCK)
        .values(state=AddressState.BURNED.value)
    )


def request_restock(session: Session, *, vault: str, now: datetime, kept_for: str = "") -> None:
    """Ask for every stock of ``vault`` to be filled, or for what it keeps for one client.

    Outbox topic ``addresses.restock``, payload {vault} or {vault, kept_for}.
    """
    payload = {"vault": vault, "kept_for": kept_for} if kept_for else {"vault": vault}
    outbox.emit(session, topic="addresses.restock", payload=payload, correlation_id=f"restock:{vault}", now=now)


def record_tampering(session: Session, *, error: CustodyError, actor: str, now: datetime) -> None:
    """Raise the alarm for an ``AddressTampered`` or ``KeysetTampered``, in a unit that survives it."""
    subject = str(error.facts.get("vault") or error.facts.get("keyset") or "addresses")
    facts = {name: value for name, value in error.facts.items() if isinstance(value, (str, int))}
    audit.record(session, event="addresses.tampered", subject=subject, actor=actor, now=now, facts=facts)
    step = str(error.facts.get("address_id", ""))
    audit.raise_alarm(session, kind=error.code, subject=subject, step=step, why=error.message, now=now)


def _hand_out(
    session: Session,
    vault: str,
    change: bool,
    client: str | None,
    seal_key: bytes,
    low_mark: int,
    actor: str,
    now: datetime,
) -> DepositAddress:
    sealer = Sealer(session, seal_key)
    kept_for = keeper(sealer.vault(vault).chain, client) if client else ""
    row = _next_in_stock(session, vault, kept_for, change)
    if row is None:
        raise StockEmpty("no address is in stock; it is being filled", field="vault", vault=vault, kept_for=kept_for)
    sealer.expect(row)
    row.state, row.client_id, row.issued_at = AddressState.ISSUED.value, client, now
    session.flush()
    left = queries.stock_level(session, vault=vault, change=change, kept_for=kept_for, limit=low_mark)
    if left < low_mark:
        request_restock(session, vault=vault, kept_for=kept_for, now=now)
    facts = {"vault": vault, "change": change, "index": row.index, "address": row.address, "client": client or ""}
    audit.record(session, event="address.issued", subject=str(row.id), actor=actor, now=now, facts=facts)
    if not change:
        _tell(session, view(row), sealer.vault(vault).chain, actor, now)
    return view(row)


def _tell(session: Session, handed_out: DepositAddress, chain: str, actor: str, now: datetime) -> None:
    events.publish(
        session,
        kind="address",
        subject=handed_out.address,
        event="issued",
        data=address_view(handed_out, chain),
        client=handed_out.client,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _next_in_stock(session: Session, vault: str, kept_for: str, change: bool) -> AddressRow | None:
    return session.execute(
        select(AddressRow)
        .where(AddressRow.vault_id == vault, AddressRow.kept_for == kept_for, AddressRow.change.is_(change), STOCK)
        .order_by(AddressRow.index)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()


def _last(session: Session, vault: str, kept_for: str, change: bool) -> AddressRow | None:
    series = (AddressRow.vault_id == vault, AddressRow.kept_for == kept_for, AddressRow.change.is_(change))
    highest = select(func.max(AddressRow.index)).where(*series)
    return session.execute(
        select(AddressRow).where(*series, AddressRow.index == highest.scalar_subquery())
    ).scalar_one_or_none()


def _stock_row(sealer: Sealer, plan: StockPlan, found: Derived, burned: bool, now: datetime) -> dict[str, object]:
    seal = sealer.seal(
        vault=plan.vault,
        kept_for=plan.kept_for,
        change=plan.change,
        index=found.index,
        locator=found.locator,
        address=found.address,
    )
    return {
        "vault_id": plan.vault,
        "kept_for": plan.kept_for,
        "change": plan.change,
        "index": found.index,
        "locator": found.locator,
        "address": found.address,
        "state": (AddressState.BURNED if burned else AddressState.STOCK).value,
        "seal": seal,
        "derived_at": now,
    }
