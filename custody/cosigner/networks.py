"""Which network a key is for, of any chain this program knows, and the account key as that chain writes it."""

from __future__ import annotations

from custody.chains.bitcoin.offline import network as bitcoin
from custody.chains.bitcoin.offline.members import MemberKey as BitcoinAccount
from custody.chains.bitcoin.offline.members import parse_member
from custody.chains.ethereum.offline import network as ethereum
from custody.chains.ethereum.offline.descriptor import AccountKey as EthereumAccount
from custody.kernel.errors import InvalidInput

Network = bitcoin.Network | ethereum.Network
Account = BitcoinAccount | EthereumAccount


def network_named(name_or_chain: str) -> Network:
    """The network of this name (``regtest``, ``sepolia``) or CAIP-2 id; no two chains share a name.

    Raises ``InvalidInput`` for any other text, and for networks on which a Safe of ours would stand elsewhere.
    """
    if name_or_chain in {key for known in bitcoin.NETWORKS for key in (known.name, known.chain)}:
        return bitcoin.network(name_or_chain)
    names = {known.name for known in ethereum.NETWORKS}
    if name_or_chain in names or name_or_chain.startswith("eip155:"):
        return ethereum.network(name_or_chain)
    accepted = ", ".join(known.name for known in (*bitcoin.NETWORKS, *ethereum.NETWORKS))
    raise InvalidInput(f"no such network; accepted is {accepted}, or its CAIP-2 id", field="network")


def read_account(text: str, of: Network, *, field: str) -> Account:
    """An account key with its origin, or a fixed key. Raises ``InvalidInput`` for another chain's."""
    if isinstance(of, bitcoin.Network):
        return parse_member(text, network=of, field=field)
    return EthereumAccount.parse(text, field=field)
