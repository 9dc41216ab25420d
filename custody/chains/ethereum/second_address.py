"""The second computation of a Safe's address, by libraries that share nothing with ``offline``.

eth_abi encodes, pycryptodome hashes, eth_utils writes the checksum; the order of the owners, the salt and CREATE2 are
spelled out again. An address is handed out only after both agree. The libraries are the daemon's and slow to import,
so they are imported when first needed; a cosigner, who has none of them, is itself a second computation.
"""

from __future__ import annotations

import hashlib
import json

from custody.chains.ethereum.offline.proxy import ProxyCode, Safes, SafeSetup
from custody.kernel.errors import Broken


class AddressMismatch(Broken):
    """Two computations of one Safe's address differ: neither is handed out."""

    code = "safe-address-mismatch"


def confirmed_address(safes: Safes, salt_nonce: int) -> str:
    """The address of the Safe with this salt nonce, computed twice. Raises ``AddressMismatch``."""
    first = safes.address(salt_nonce)
    if second_address(safes.setup, safes.code, salt_nonce) != first:
        raise AddressMismatch("two computations of a Safe's address differ", salt_nonce=hex(salt_nonce))
    return first


def second_address(setup: SafeSetup, code: ProxyCode, salt_nonce: int) -> str:
    """The same address by the other libraries, checksummed."""
    from Crypto.Hash import keccak
    from eth_abi.abi import encode
    from eth_utils.address import to_checksum_address

    def hashed(data: bytes) -> bytes:
        return keccak.new(data=data, digest_bits=256).digest()

    kinds = ("address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address")
    nobody = "0x" + "0" * 40
    owners = sorted(setup.owners, key=lambda owner: int(owner, 16))
    values = (owners, setup.threshold, nobody, b"", setup.fallback_handler, nobody, 0, nobody)
    initializer = hashed(f"setup({','.join(kinds)})".encode())[:4] + encode(kinds, values)
    salt = hashed(hashed(initializer) + encode(("uint256",), (salt_nonce,)))
    packed = bytes.fromhex("ff" + code.factory.removeprefix("0x")) + salt + code.init_code_hash
    return str(to_checksum_address(hashed(packed)[-20:]))


def second_salt_nonce(*, keyset: str, client: str, index: int, chain: str) -> int:
    """The salt nonce spelled out again; for values that ``salt_nonce`` takes the two JSON texts are one."""
    said = {"keyset": keyset, "client": client, "index": index, "chain": chain}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return int(hashlib.sha256(b"custody/safe-salt/v1\x00" + text.encode("ascii")).hexdigest(), 16)
