"""Real keysets for tests: cosigners with keys of their own and both proofs given."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import coincurve
from embit import bip32
from embit.networks import NETWORKS

from custody.chains.bitcoin.addressing import descriptor_of
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, open_descriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import network
from custody.evidence.keysets import Keyset, KeysetCosigner, keyset_consent_message
from custody.evidence.signatures import Signature

REGTEST = network("regtest")
_VERSIONS = NETWORKS["regtest"]


class TestCosigner:
    """A cosigner whose private key the test holds."""

    __test__ = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.master = bip32.HDKey.from_seed(secrets.token_bytes(32), version=_VERSIONS["xprv"])
        self.account = self.master.derive("m/48h/1h/0h/2h")
        fingerprint = self.master.my_fingerprint.hex()
        xpub = self.account.to_public().to_base58(_VERSIONS["xpub"])
        self.key = AccountKey.parse(f"[{fingerprint}/48h/1h/0h/2h]{xpub}", network=REGTEST)

    def consent(self, keyset: Keyset) -> Signature:
        return self.sign(keyset_consent_message(keyset))

    def sign(self, message: bytes) -> Signature:
        signer = coincurve.PrivateKey(self.account.key.secret)
        return Signature(self.name, signer.sign(message, hasher=None).hex())

    def member(self) -> KeysetCosigner:
        return KeysetCosigner(self.name, self.key.text, self.key.public_key.hex())

    def wif(self, branch: int, *, change: bool, index: int) -> str:
        child = self.account.derive([branch, int(change), index])
        text: str = child.key.wif(_VERSIONS)
        return text


@dataclass
class TestKeyset:
    """A keyset, its consents and who holds its keys."""

    __test__ = False

    keyset: Keyset
    consents: tuple[Signature, ...]
    cosigners: tuple[TestCosigner, ...]

    def descriptor(self, branch: int) -> BranchDescriptor:
        return descriptor_of(self.keyset, branch)


def make_keyset(
    name: str = "kst-main", *, threshold: int = 2, members: int = 3, called: str = "cosigner"
) -> TestKeyset:
    """A fresh m-of-n keyset on regtest, of cosigners ``called`` so and numbered."""
    cosigners = tuple(TestCosigner(f"{called}-{number}") for number in range(1, members + 1))
    keyset = Keyset(
        id=name,
        chain=REGTEST.chain,
        threshold=threshold,
        cosigners=tuple(cosigner.member() for cosigner in cosigners),
        descriptor=open_descriptor(threshold=threshold, keys=[cosigner.key for cosigner in cosigners]),
    )
    return TestKeyset(keyset, tuple(cosigner.consent(keyset) for cosigner in cosigners), cosigners)
