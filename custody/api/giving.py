"""Handing a client its next deposit address: one act for every door that may ask for it."""

from __future__ import annotations

from custody.addresses import operations
from custody.addresses.model import DepositAddress
from custody.api.call import Call
from custody.clients import queries as clients
from custody.db import Unit
from custody.restore.queries import require_normal
from custody.vaults import queries as vaults
from custody.vaults.model import Vault


def give_address(unit: Unit, call: Call, *, client: str, chain: str | None) -> tuple[DepositAddress, str]:
    """The next address of the client on a chain, for ever its own, and that chain's id.

    ``chain`` is a short name or CAIP-2 id, or None for a client who is on one chain alone. Raises ``Restoring``, and
    what ``vault_on`` and ``operations.allocate`` raise.
    """
    require_normal(unit.session)
    vault = vault_on(unit, call, client=client, chain=chain)
    address = operations.allocate(
        unit.session,
        vault=vault.id,
        client=client,
        seal_key=call.runtime.seal_key,
        low_mark=call.runtime.settings.stock_low_mark,
        actor=call.caller.name,
        now=unit.now,
    )
    return address, vault.chain


def vault_on(unit: Unit, call: Call, *, client: str, chain: str | None) -> Vault:
    """The client's vault on that chain. Raises ``UnknownClient``, ``UnknownVault`` and ``InvalidInput``."""
    clients.get(unit.session, client=client)
    on = {vault.chain for vault in vaults.of_client(unit.session, client=client)}
    served = call.runtime.chosen(chain or (on.pop() if len(on) == 1 else None))
    return vaults.vault_of(unit.session, client=client, chain=served.chain)
