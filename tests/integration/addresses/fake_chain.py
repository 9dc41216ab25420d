"""A chain that is not there: an address is made for one client, and a payment leaves its rest where it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from custody.chains.addressing import Derived, Destination
from custody.chains.port import AddressesNotServed
from custody.evidence.keysets import Keyset
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset
from tests.integration.vaults.keysets import TestKeyset, make_keyset

CHAIN = "fake:1"


@dataclass(frozen=True)
class FakeSource:
    """Places named by a hash of keyset, client and index."""

    keyset: Keyset

    @property
    def text(self) -> str:
        return f"fake({self.keyset.id})#1"

    receive_text = ""
    change_text = ""
    first_position = 0
    last_index = 2**31 - 1

    def wallet_file(self, kind: str, *, label: str, cosigners: Sequence[str], since_height: int) -> str:
        del kind, label, cosigners, since_height
        return self.text

    def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
        if client is None or change:
            raise InvalidInput("an address here is a client's, and never change", field="client")
        locator = hashlib.sha256(f"{self.keyset.id}/{client}/{index}".encode()).digest()[:20]
        return Derived(index, f"0x{locator.hex()}", locator)

    def derive_again(self, *, client: str | None, change: bool, index: int) -> str:
        return self.derive(client=client, change=change, index=index).address


@dataclass(frozen=True)
class FakeAddressing:
    """Takes every keyset and every address that looks like one."""

    chain: str = CHAIN
    name: str = "fakenet"
    makes_change: bool = False
    personal: bool = True

    @property
    def native(self) -> Asset:
        return Asset(f"{self.chain}/slip44:1", "FAKE", 18, self.chain)

    def read_destination(self, text: object, *, field: str) -> Destination:
        if not isinstance(text, str) or len(text) != 42:
            raise InvalidInput("not an address", field=field)
        return Destination(text.lower(), bytes.fromhex(text[2:]), 1)

    def most_units(self, asset: str) -> int:
        del asset
        return 2**256 - 1

    def home_of(self, asset: str) -> bytes | None:
        del asset
        return None

    def check_keyset(self, keyset: Keyset) -> None:
        del keyset

    def source(self, keyset: Keyset, *, branch: int) -> FakeSource:
        del branch
        return FakeSource(keyset)

    def check_texts(self, text: str, *, receive: str, change: str, field: str) -> None:
        if not text.endswith("#1") or receive or change:
            raise InvalidInput("not an export of this chain", field=f"{field}.descriptor")


@dataclass
class FakeGround:
    """As much of a node as stocking asks: whether the chain serves our addresses."""

    chain: str = CHAIN
    serves: bool = True

    def check_serves_addresses(self) -> None:
        if not self.serves:
            raise AddressesNotServed("a contract is not deployed", chain=self.chain)


def fake_keyset(name: str = "kst-fake") -> TestKeyset:
    """A keyset that says it is of the fake chain, consents given anew."""
    made = make_keyset(name)
    keyset = replace(made.keyset, chain=CHAIN)
    return replace(made, keyset=keyset, consents=tuple(cosigner.consent(keyset) for cosigner in made.cosigners))
