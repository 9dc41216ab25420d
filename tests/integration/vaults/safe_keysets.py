"""Keysets of Ethereum accounts for tests, with both proofs given, and a house that has opened vaults of one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import coincurve

from custody.chains.ethereum.offline.descriptor import AccountKey, safe_descriptor
from custody.chains.ethereum.offline.ecdsa import address_of_key
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import SafeSetup
from custody.clients import operations as clients
from custody.db import Database
from custody.evidence.keysets import Keyset, KeysetCosigner, keyset_consent_message
from custody.evidence.signatures import Signature
from custody.vaults import operations as vaults

ANVIL = network("anvil")


class SafeCosigner:
    """A cosigner whose private key the test holds."""

    def __init__(self, name: str, secret: bytes | None = None) -> None:
        self.name = name
        self.secret = secret or secrets.token_bytes(32)
        self.public_key = coincurve.PrivateKey(self.secret).public_key.format()
        self.key = AccountKey(secrets.token_hex(4), "44h/60h/0h/0/0", address_of_key(self.public_key))

    def consent(self, keyset: Keyset) -> Signature:
        return self.sign(keyset_consent_message(keyset))

    def sign(self, message: bytes) -> Signature:
        signer = coincurve.PrivateKey(self.secret)
        return Signature(self.name, signer.sign(message, hasher=None).hex())

    def member(self) -> KeysetCosigner:
        return KeysetCosigner(self.name, self.key.text, self.public_key.hex())


@dataclass
class SafeKeyset:
    """A keyset, its consents and who holds its keys."""

    keyset: Keyset
    cosigners: tuple[SafeCosigner, ...]
    consents: tuple[Signature, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.consents = tuple(cosigner.consent(self.keyset) for cosigner in self.cosigners)


def make_safe_keyset(name: str = "kst-safes", *, threshold: int = 2, members: int = 3) -> SafeKeyset:
    """A fresh m-of-n keyset on anvil's chain."""
    return keyset_of(tuple(SafeCosigner(f"cosigner-{number}") for number in range(1, members + 1)), name, threshold)


def keyset_of(cosigners: tuple[SafeCosigner, ...], name: str = "kst-safes", threshold: int = 2) -> SafeKeyset:
    """The keyset of these on anvil's chain."""
    setup = SafeSetup.of([cosigner.key.address for cosigner in cosigners], threshold)
    keyset = Keyset(
        id=name,
        chain=ANVIL.chain,
        threshold=threshold,
        cosigners=tuple(cosigner.member() for cosigner in cosigners),
        descriptor=safe_descriptor(setup),
    )
    return SafeKeyset(keyset, cosigners)


def open_clients(
    db: Database, keyset: Keyset, consents: tuple[Signature, ...], places: Mapping[str, tuple[str, int]]
) -> None:
    """Register the keyset and open each client (its segregation and branch) with its vault."""
    with db.unit() as unit:
        vaults.register_keyset(unit.session, keyset=keyset, consents=consents, actor="test", now=unit.now)
        for client, (segregation, branch) in places.items():
            clients.open_client(
                unit.session,
                client=client,
                name=client.title(),
                segregation=segregation,
                opening="00" * 32,
                actor="test",
                now=unit.now,
            )
            vaults.open_vault(
                unit.session,
                keyset_id=keyset.id,
                branch=branch,
                kind="pool" if segregation == "omnibus" else segregation,
                client=client,
                actor="test",
                now=unit.now,
            )


def at_chain(keys: SafeKeyset, chain: str) -> SafeKeyset:
    """The same keys as a keyset of another chain."""
    return SafeKeyset(replace(keys.keyset, chain=chain), keys.cosigners)
