"""What owners are asked to sign: a SafeTx with the chain and the Safe it is for, in its one written form.

The text is canonical JSON (RFC 8785) of ``{"chain_id": number, "safe": address, "safe_tx": SafeTx.to_json()}``: all
that the hash is made of. So whoever reads it computes the hash and is never told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from custody.chains.ethereum.offline.address import expect_checksummed
from custody.chains.ethereum.offline.eip712 import typed_data_digest
from custody.chains.ethereum.offline.network import Network, network_of
from custody.chains.ethereum.offline.safe_tx import SafeTx, safe_tx_hash, typed_data
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.errors import Broken, InvalidInput

_NAMES: Final = ("chain_id", "safe", "safe_tx")


class HashesDiffer(Broken):
    """Two computations of one SafeTx's hash differ: neither is used."""

    code = "safe-tx-hashes-differ"


@dataclass(frozen=True, slots=True)
class UnsignedSafeTx:
    """A SafeTx, the Safe it is for and that Safe's chain. What it may do is not judged here."""

    network: Network
    safe: str
    """Checksummed."""
    tx: SafeTx

    @classmethod
    def parse(cls, text: str, *, field: str = "unsigned") -> UnsignedSafeTx:
        """Read exactly what ``text`` writes. Raises ``InvalidInput`` for any other form, so that there is one."""
        found = parse_json(text, field=field)
        if not isinstance(found, dict) or set(found) != set(_NAMES):
            raise InvalidInput(f"accepted are exactly {', '.join(_NAMES)}", field=field)
        where = _network(found["chain_id"])
        expect_checksummed(found["safe"], field="safe")
        unsigned = cls(where, found["safe"], SafeTx.from_json(found["safe_tx"]))
        if unsigned.text != text:
            raise InvalidInput("not in its one canonical form", field=field)
        return unsigned

    @property
    def text(self) -> str:
        """The one way to write it."""
        found = {"chain_id": self.network.chain_id, "safe": self.safe, "safe_tx": self.tx.to_json()}
        return canonical_json(found).decode("utf-8")

    @property
    def digest(self) -> bytes:
        """What owners sign, and what the Safe's ``getTransactionHash`` returns."""
        return safe_tx_hash(self.tx, network=self.network, safe=self.safe)

    @property
    def spend(self) -> str:
        """``0x`` and the digest: the id by which ``ExecutionSuccess`` names it."""
        return "0x" + self.digest.hex()

    @property
    def claim(self) -> str:
        """The turn it uses up, ``safe#nonce``."""
        return f"{self.safe}#{self.tx.nonce}"

    def expect_digest(self) -> bytes:
        """The digest, computed twice: by Safe's own type and by EIP-712 in general. Raises ``HashesDiffer``."""
        if typed_data_digest(typed_data(self.tx, network=self.network, safe=self.safe)) != self.digest:
            raise HashesDiffer("two computations of one SafeTx's hash differ", field="safe_tx")
        return self.digest


def _network(chain_id: object) -> Network:
    if not isinstance(chain_id, int):
        raise InvalidInput("not a number", field="chain_id")
    try:
        return network_of(chain_id)
    except InvalidInput as error:
        raise InvalidInput(str(error), field="chain_id") from error
