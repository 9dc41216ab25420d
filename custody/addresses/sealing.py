"""The check an address row passes before anybody sees it. No curve work while the seal holds."""

from __future__ import annotations

import hmac

from sqlalchemy.orm import Session

from custody.addresses.model import DepositAddress, seal_of
from custody.addresses.tables import AddressRow
from custody.chains.bitcoin.offline.descriptor import derive_independently
from custody.kernel.errors import Broken
from custody.vaults import queries as vaults
from custody.vaults.model import Vault


class AddressTampered(Broken):
    """A stored address is not what its vault's signed descriptor gave: it is shown to nobody.

    Raised out of the unit, which rolls back; ``operations.record_tampering`` tells of it in another.
    """

    code = "address-tampered"


class Sealer:
    """Makes and checks seals within one unit, reading each vault and keyset once."""

    def __init__(self, session: Session, key: bytes) -> None:
        self._session, self._key = session, key
        self._vaults: dict[str, tuple[Vault, str]] = {}

    def seal(self, *, vault: str, change: bool, index: int, script_pubkey: bytes, address: str) -> bytes:
        """The seal of these values under the vault's keyset as it stands now. Raises ``KeysetTampered``."""
        found, keyset_hash = self._vault(vault)
        return seal_of(
            self._key,
            vault=vault,
            keyset_hash=keyset_hash,
            branch=found.branch,
            change=change,
            index=index,
            script_pubkey=script_pubkey,
            address=address,
        )

    def checked(self, row: AddressRow) -> DepositAddress:
        """The row's address, if its seal holds. Raises ``AddressTampered`` or ``KeysetTampered``."""
        self.expect(row)
        return view(row)

    def expect(self, row: AddressRow) -> None:
        """Raise ``AddressTampered`` unless the row is exactly what was sealed."""
        seal = self.seal(
            vault=row.vault_id,
            change=row.change,
            index=row.index,
            script_pubkey=row.script_pubkey,
            address=row.address,
        )
        if not hmac.compare_digest(seal, row.seal):
            raise self._explained(row)

    def _explained(self, row: AddressRow) -> AddressTampered:
        vault, _ = self._vault(row.vault_id)
        descriptor = vaults.branch_descriptor(self._session, vault=vault)
        second = derive_independently(descriptor, change=row.change, index=row.index)
        wrong = "its seal is not ours" if second == row.address else "the signed descriptor gives another address"
        return AddressTampered(
            f"address {row.id} of {row.vault_id} is not what was derived: {wrong}",
            vault=row.vault_id,
            address_id=row.id,
            change=row.change,
            index=row.index,
        )

    def _vault(self, vault: str) -> tuple[Vault, str]:
        if vault not in self._vaults:
            found = vaults.get(self._session, vault=vault)
            self._vaults[vault] = (found, vaults.keyset(self._session, keyset_id=found.keyset).descriptor_hash)
        return self._vaults[vault]


def view(row: AddressRow) -> DepositAddress:
    """The row as it may be shown, once its seal was checked."""
    return DepositAddress(
        id=row.id,
        vault=row.vault_id,
        client=row.client_id,
        change=row.change,
        index=row.index,
        address=row.address,
        script_pubkey=row.script_pubkey,
        issued_at=row.issued_at,
    )
