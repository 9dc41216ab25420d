"""The check an address row passes before anybody sees it. No curve work while the seal holds."""

from __future__ import annotations

import hmac

from sqlalchemy.orm import Session

from custody.addresses.model import DepositAddress, seal_of
from custody.addresses.tables import AddressRow
from custody.kernel.errors import Broken, InvalidInput
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
        self._vaults: dict[str, Vault] = {}
        self._hashes: dict[str, str] = {}

    def vault(self, vault: str) -> Vault:
        """The vault of that id. Raises ``UnknownVault``."""
        if vault not in self._vaults:
            self._vaults[vault] = vaults.get(self._session, vault=vault)
        return self._vaults[vault]

    def seal(self, *, vault: str, kept_for: str, change: bool, index: int, locator: bytes, address: str) -> bytes:
        """The seal of these values under the vault's keyset as it stands now. Raises ``KeysetTampered``."""
        found = self.vault(vault)
        return seal_of(
            self._key,
            vault=vault,
            keyset_hash=self._keyset_hash(found.keyset),
            branch=found.branch,
            kept_for=kept_for,
            change=change,
            index=index,
            locator=locator,
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
            kept_for=row.kept_for,
            change=row.change,
            index=row.index,
            locator=row.locator,
            address=row.address,
        )
        if not hmac.compare_digest(seal, row.seal):
            raise self._explained(row)

    def _explained(self, row: AddressRow) -> AddressTampered:
        source = vaults.source_of(self._session, vault=self.vault(row.vault_id))
        try:
            second = source.derive_again(client=row.kept_for or None, change=row.change, index=row.index)
        except InvalidInput:
            second = ""
        wrong = "its seal is not ours" if second == row.address else "the signed descriptor gives another address"
        return AddressTampered(
            f"address {row.id} of {row.vault_id} is not what was derived: {wrong}",
            vault=row.vault_id,
            address_id=row.id,
            change=row.change,
            index=row.index,
        )

    def _keyset_hash(self, keyset: str) -> str:
        if keyset not in self._hashes:
            self._hashes[keyset] = vaults.keyset(self._session, keyset_id=keyset).descriptor_hash
        return self._hashes[keyset]


def view(row: AddressRow) -> DepositAddress:
    """The row as it may be shown, once its seal was checked."""
    return DepositAddress(
        id=row.id,
        vault=row.vault_id,
        client=row.client_id,
        change=row.change,
        index=row.index,
        address=row.address,
        locator=row.locator,
        issued_at=row.issued_at,
    )
