"""Owners with keys anybody can know, a Safe of theirs, and what they sign."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from hypothesis import strategies as st

from custody.chains.ethereum.offline.address import RESERVED_BELOW, checksum_address
from custody.chains.ethereum.offline.deployments import known_name
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.multisend import Call
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.offline.safe_tx import SafeTx

ANVIL: Final = network("anvil")


def secret(name: str) -> bytes:
    """A private key out of a name: 32 bytes."""
    return hashlib.sha256(name.encode()).digest()


def address(name: str) -> str:
    """An address out of a name."""
    return checksum_address(hashlib.sha256(name.encode()).digest()[:20])


def owner(name: str) -> str:
    """The address of ``secret(name)``."""
    import coincurve

    return address_of_key(coincurve.PrivateKey(secret(name)).public_key.format())


OWNERS: Final = tuple(owner(name) for name in ("ann", "ben", "cem"))
SETUP: Final = SafeSetup.of(OWNERS, 2)
SAFES: Final = Safes(SETUP)
SALT: Final = salt_nonce(keyset="k1", client="acme", index=0, network=ANVIL)
SAFE: Final = SAFES.address(SALT)
TOKEN, OTHER_TOKEN, PAYEE = address("token"), address("other token"), address("payee")
TOKENS: Final = {token: f"{ANVIL.chain}/erc20:{token}" for token in (TOKEN, OTHER_TOKEN)}
ETHER: Final = ANVIL.asset.id


def pay(to: str = PAYEE, wei: int = 10**18, **more: Any) -> SafeTx:
    """Ether to somebody."""
    return SafeTx(**{"to": to, "value": wei, "data": b"", "nonce": 0, **more})


def token_call(to: str = PAYEE, units: int = 5_000_000, token: str = TOKEN) -> Call:
    """A token's transfer, as a call of a batch."""
    return Call(token, 0, encode_transfer(to, units))


def _payable(raw: bytes) -> bool:
    text = checksum_address(raw)
    return int.from_bytes(raw, "big") >= RESERVED_BELOW and known_name(text) is None and text not in (SAFE, *TOKENS)


addresses = st.binary(min_size=20, max_size=20).filter(_payable).map(checksum_address)
amounts = st.integers(min_value=1, max_value=2**256 - 1)
calls = st.one_of(
    st.builds(Call, to=addresses, value=amounts, data=st.just(b"")),
    st.builds(token_call, to=addresses, units=amounts, token=st.sampled_from(sorted(TOKENS))),
)
any_calls = st.builds(
    Call, to=addresses, value=st.integers(min_value=0, max_value=2**256 - 1), data=st.binary(max_size=100)
)
