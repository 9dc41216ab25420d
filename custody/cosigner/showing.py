"""An address of a vault as this keyholder derives it, and as the hardware wallet shows it on its own screen.

The trust root comes from a file and must be the pinned one; nothing else is believed. Whoever wants to be sure that an
address is the vault's compares it here, away from the daemon that showed it.
"""

from __future__ import annotations

from dataclasses import dataclass

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.checksum import strip_checksum, with_checksum
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.cosigner.craft import Myself, expect_ours
from custody.cosigner.crafts.bitcoin import account_keys
from custody.evidence.intents import VaultName
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ShownAddress:
    """One address, and the descriptor of it alone, as a device is given it."""

    address: str
    descriptor: str


def address_of(root: TrustRoot, vault: VaultName, me: Myself, *, change: bool, index: int) -> ShownAddress:
    """The address at ``index`` of a vault whose keyset holds our key. Raises ``InvalidInput``."""
    keyset = root.keyset(vault.keyset)
    if keyset is None or not isinstance(me.network, bitcoin.Network):
        raise InvalidInput("no keyset of Bitcoin in this trust root", field="vault")
    keys = account_keys(keyset, me.network)
    expect_ours(keyset, me)
    found = BranchDescriptor(keyset.threshold, keys, vault.branch, me.network, keyset.layout)
    text = strip_checksum(found.change_text if change else found.receive_text)
    single = with_checksum(text.replace("/*", f"/{found.position(index)}"))
    return ShownAddress(found.derive(change=change, index=index).address, single)
