"""I15: every vault is what its cosigners signed, and its addresses are what that gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.errors import CustodyError
from custody.trust.operations import NoTrustRoot, in_force
from custody.vaults import queries as vaults
from custody.vaults.model import Vault


def descriptors_are_registered(session: Session) -> Iterator[str]:
    """Keysets rebuilt and their consents checked; addresses of coins and the newest ones derived again."""
    try:
        root = in_force(session).root
    except NoTrustRoot:
        root = None
    for vault in vaults.every(session):
        if vault.is_frozen:
            continue
        try:
            keyset = vaults.keyset(session, keyset_id=vault.keyset)
            if root is None or root.keyset(vault.keyset) != keyset:
                yield f"vault {vault.id}: its keyset is not the trust root's"
            yield from _wrong_addresses(session, vault)
        except CustodyError as error:
            yield f"vault {vault.id}: {error}"


def changed_vaults_are_frozen(session: Session) -> Iterator[str]:
    """I15: whatever was seen to obey others than its keyset says has its vault frozen, until people let it go."""
    yield from session.execute(_CHANGED).scalars()


def _wrong_addresses(session: Session, vault: Vault) -> Iterator[str]:
    source = vaults.source_of(session, vault=vault)
    for row in session.execute(_ADDRESSES, {"vault": vault.id}):
        derived = source.derive(client=row.kept_for or None, change=row.change, index=row.index_)
        if derived.locator != bytes(row.locator) or derived.address != row.address:
            yield f"vault {vault.id}: address {row.id} is not what its descriptor gives"


_CHANGED: Final = text(
    """
    SELECT DISTINCT 'vault ' || v.id || ' is not frozen: ' || a.why FROM alarms a JOIN vaults v ON v.id = a.subject
    WHERE a.kind = 'rules-changed' AND v.frozen_at IS NULL AND NOT EXISTS (
      SELECT FROM stops s
      WHERE s.scope = 'vault' AND s.subject = v.id AND s.cause = 'rules' AND s.lifted_by IS NOT NULL)
    ORDER BY 1
    """
)

_ADDRESSES: Final = text(
    """
    SELECT a.id, a.kept_for, a.change, a.index AS index_, a.locator, a.address FROM addresses a
    WHERE a.vault_id = :vault AND EXISTS (SELECT FROM coins c WHERE c.address_id = a.id AND c.spent_by IS NULL
      AND c.vault_id = :vault)
    UNION
    (SELECT id, kept_for, change, index, locator, address FROM addresses
     WHERE vault_id = :vault AND state = 'issued' ORDER BY id DESC LIMIT 20)
    """
)
