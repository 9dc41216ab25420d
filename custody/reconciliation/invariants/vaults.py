"""I15: every vault is what its cosigners signed, and its scripts are what that gives."""

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
    """Keysets rebuilt and their consents checked; scripts of coins and of the newest addresses derived again."""
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
            yield from _wrong_scripts(session, vault)
        except CustodyError as error:
            yield f"vault {vault.id}: {error}"


def _wrong_scripts(session: Session, vault: Vault) -> Iterator[str]:
    descriptor = vaults.branch_descriptor(session, vault=vault)
    for row in session.execute(_SCRIPTS, {"vault": vault.id}):
        derived = descriptor.derive(change=row.change, index=row.index_)
        if derived.script_pubkey != bytes(row.script_pubkey) or derived.address != row.address:
            yield f"vault {vault.id}: address {row.id} is not what its descriptor gives"


_SCRIPTS: Final = text(
    """
    SELECT a.id, a.change, a.index AS index_, a.script_pubkey, a.address FROM addresses a
    WHERE a.vault_id = :vault AND EXISTS (SELECT FROM coins c WHERE c.address_id = a.id AND c.spent_by IS NULL
      AND c.vault_id = :vault)
    UNION
    (SELECT id, change, index, script_pubkey, address FROM addresses
     WHERE vault_id = :vault AND state = 'issued' ORDER BY id DESC LIMIT 20)
    """
)
