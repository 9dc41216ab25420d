"""Reading vaults and keysets. A keyset is never believed because it stands in the table."""

from __future__ import annotations

import json
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.chains.addressing import AddressSource
from custody.chains.registry import addressing
from custody.evidence.keysets import Keyset
from custody.evidence.signatures import Signature
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import Broken, CustodyError, NotFound
from custody.vaults.model import HOUSE, Member, Vault, check_keyset
from custody.vaults.tables import KeysetRow, VaultMemberRow, VaultRow


class UnknownVault(NotFound):
    """No vault of that id, or none for that client."""

    code = "unknown-vault"


class UnknownKeyset(NotFound):
    """No keyset of that id is registered."""

    code = "unknown-keyset"


class KeysetTampered(Broken):
    """A stored keyset is not the one its cosigners signed: nothing is derived from it."""

    code = "keyset-tampered"


def get(session: Session, *, vault: str, lock: bool = False) -> Vault:
    """The vault of that id; ``lock`` holds its row to the unit's end. Raises ``UnknownVault``."""
    query = select(VaultRow).where(VaultRow.id == vault)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        raise UnknownVault("no such vault", field="vault")
    return view(row)


def vault_of(session: Session, *, client: str, chain: str) -> Vault:
    """The client's newest vault on ``chain``. Raises ``UnknownVault``."""
    row = session.execute(
        select(VaultRow)
        .join(VaultMemberRow, VaultMemberRow.vault_id == VaultRow.id)
        .where(VaultMemberRow.client_id == client, VaultRow.chain == chain)
        .order_by(VaultMemberRow.since.desc(), VaultRow.id)
        .limit(1)
    ).scalar_one_or_none()
    if row is None:
        raise UnknownVault("the client has no vault on this chain", field="client")
    return view(row)


def of_client(session: Session, *, client: str) -> list[Vault]:
    """Every vault the client is in, on any chain, the one it was put in first at the head."""
    rows = session.execute(
        select(VaultRow)
        .join(VaultMemberRow, VaultMemberRow.vault_id == VaultRow.id)
        .where(VaultMemberRow.client_id == client)
        .order_by(VaultMemberRow.since, VaultRow.id)
    ).scalars()
    return [view(row) for row in rows]


def members(session: Session, *, vault: str) -> list[Member]:
    """The clients of a vault, oldest first."""
    rows = session.execute(
        select(VaultMemberRow)
        .where(VaultMemberRow.vault_id == vault)
        .order_by(VaultMemberRow.since, VaultMemberRow.client_id)
    ).scalars()
    return [Member(row.client_id, row.vault_id, row.opening, row.since) for row in rows]


def opening_of(session: Session, *, vault: str, client: str) -> str:
    """Digest of the intent that put the client into the vault. Raises ``UnknownVault``."""
    found = session.execute(
        select(VaultMemberRow.opening).where(VaultMemberRow.vault_id == vault, VaultMemberRow.client_id == client)
    ).scalar_one_or_none()
    if found is None:
        raise UnknownVault("the client is not in that vault", field="vault")
    return found


def openings_of(session: Session, *, client: str) -> list[str]:
    """Digests of the intents that put the client into its vaults, the first at the head."""
    query = select(VaultMemberRow.opening).where(VaultMemberRow.client_id == client)
    return list(session.execute(query.order_by(VaultMemberRow.since, VaultMemberRow.vault_id)).scalars())


def was_opened_by(session: Session, *, client: str, opening: str) -> bool:
    """Whether this very opening has been carried out."""
    query = select(VaultMemberRow.vault_id).where(VaultMemberRow.client_id == client, VaultMemberRow.opening == opening)
    return session.execute(query).first() is not None


def is_member(session: Session, *, vault: str, client: str) -> bool:
    """Whether the client is in the vault."""
    found = session.execute(
        select(VaultMemberRow.client_id).where(VaultMemberRow.vault_id == vault, VaultMemberRow.client_id == client)
    ).first()
    return found is not None


def every(session: Session) -> list[Vault]:
    """All vaults that clients have, oldest first; places of the house's own are none of them."""
    query = select(VaultRow).where(VaultRow.kind != HOUSE).order_by(VaultRow.opened_at, VaultRow.id)
    return [view(row) for row in session.execute(query).scalars()]


def houses(session: Session, *, chain: str) -> list[Vault]:
    """The places of the house's own on a chain."""
    query = select(VaultRow).where(VaultRow.kind == HOUSE, VaultRow.chain == chain).order_by(VaultRow.id)
    return [view(row) for row in session.execute(query).scalars()]


def keyset(session: Session, *, keyset_id: str) -> Keyset:
    """The registered keyset, proved again: its keys give its descriptor, whose hash every cosigner signed.

    The proof is made once per process for the same stored bytes. Raises ``UnknownKeyset``, ``KeysetTampered``.
    """
    row = session.execute(select(KeysetRow).where(KeysetRow.id == keyset_id)).scalar_one_or_none()
    if row is None:
        raise UnknownKeyset("no such keyset", field="keyset")
    return _proved(row.id, row.descriptor_hash, canonical_json(row.document), canonical_json(row.consents))


def source_of(session: Session, *, vault: Vault) -> AddressSource:
    """The vault's addresses, out of its proved keyset. Raises as ``keyset`` does."""
    found = keyset(session, keyset_id=vault.keyset)
    return addressing(found.chain).source(found, branch=vault.branch)


def view(row: VaultRow) -> Vault:
    """The row as other rooms see it."""
    return Vault(
        id=row.id,
        keyset=row.keyset_id or "",
        branch=row.branch,
        chain=row.chain,
        kind=row.kind,
        frozen_reason=row.frozen_reason,
        frozen_at=row.frozen_at,
        reconciled_height=row.reconciled_height,
        reconciled_at=row.reconciled_at,
        opened_at=row.opened_at,
        frozen_cause=row.frozen_cause,
    )


@lru_cache(maxsize=256)
def _proved(keyset_id: str, descriptor_hash: str, document: bytes, consents: bytes) -> Keyset:
    try:
        found = Keyset.parse(json.loads(document), field="keyset")
        signatures = tuple(Signature.parse(item, field="keyset.consents") for item in json.loads(consents))
        check_keyset(found, signatures)
    except CustodyError as error:
        raise KeysetTampered(f"stored keyset {keyset_id} is not what was signed: {error}", keyset=keyset_id) from error
    if found.descriptor_hash != descriptor_hash or found.id != keyset_id:
        raise KeysetTampered(f"stored keyset {keyset_id} is another one than was registered", keyset=keyset_id)
    return found
