"""Builders: cosigners with known seeds, a vault of theirs, and a payment out of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from embit import bip32

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.psbt import PayOutput, Psbt, SpendInput, compose
from custody.chains.bitcoin.offline.psbt.maps import key_of
from custody.chains.bitcoin.offline.signer import signature_over
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionInput, TransactionOutput

REGTEST = network("regtest")
MAINNET = network("mainnet")
PAYEE = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")


@dataclass(frozen=True)
class TestCosigner:
    """A cosigner whose seed is its name: for tests, never funded."""

    __test__ = False

    name: str
    coin_type: int = 1

    @property
    def root(self):
        return bip32.HDKey.from_seed(hashlib.sha512(self.name.encode()).digest())

    @property
    def account(self) -> AccountKey:
        path = f"48h/{self.coin_type}h/0h/2h"
        xpub = self.root.derive(f"m/{path}").to_public()
        net = REGTEST if self.coin_type else MAINNET
        return AccountKey(self.root.my_fingerprint.hex(), path, xpub.to_base58(net.xpub_version))

    def secret(self, branch: int, chain: int, index: int) -> bytes:
        return self.root.derive(f"m/48h/{self.coin_type}h/0h/2h/{branch}/{chain}/{index}").secret


COSIGNERS = tuple(TestCosigner(name) for name in ("ada", "ben", "cyd"))
STRANGER = TestCosigner("mallory")
KEYS = tuple(cosigner.account for cosigner in COSIGNERS)


def vault(*, branch: int = 7, threshold: int = 2, keys: tuple[AccountKey, ...] = KEYS) -> BranchDescriptor:
    return BranchDescriptor(threshold=threshold, keys=keys, branch=branch, network=REGTEST)


def coin(
    descriptor: BranchDescriptor, *, amount_sat: int = 100_000, index: int = 0, change: bool = False, salt: int = 1
) -> SpendInput:
    """A coin of the vault, with a previous transaction made up around it."""
    derived = descriptor.derive(change=change, index=index)
    funding = Transaction(
        2,
        (TransactionInput(f"{salt:064x}", 0, b"", 0xFFFFFFFD),),
        (TransactionOutput(5_000, PAYEE), TransactionOutput(amount_sat, derived.script_pubkey)),
        0,
    )
    return SpendInput(funding.txid, 1, amount_sat, funding.raw, descriptor, change, index)


def payment(descriptor: BranchDescriptor | None = None, *, inputs: int = 2, fee_sat: int = 1_000) -> Psbt:
    """A payment of 60,000 satoshi out of the vault, change back to it."""
    ours = descriptor or vault()
    coins = [coin(ours, index=place, salt=place + 1) for place in range(inputs)]
    change_sat = 100_000 * inputs - 60_000 - fee_sat
    change = ours.derive(change=True, index=3)
    return compose(
        inputs=coins,
        outputs=[PayOutput(PAYEE, 60_000), PayOutput(change.script_pubkey, change_sat, own=(ours, 3))],
        network=REGTEST,
    )


def pubkeys_of(place: int, *, inputs: int = 2, descriptor: BranchDescriptor | None = None) -> list[bytes]:
    """The cosigner's key on each input of ``payment``."""
    ours = descriptor or vault()
    return [ours.derive(change=False, index=index).pubkeys[place] for index in range(inputs)]


def signatures_of(psbt: Psbt, cosigner: TestCosigner, *, branch: int = 7) -> dict[int, bytes]:
    """What the cosigner would sign on each input of ``payment``."""
    return {
        index: signature_over(psbt.sighash(index), cosigner.secret(branch, 0, index))
        for index in range(len(psbt.inputs))
    }


def with_input_field(psbt: Psbt, index: int, kind: int, value: bytes | None, data: bytes = b"") -> Psbt:
    """The PSBT with one field of one input set, or left out."""
    inputs = [dict(fields) for fields in psbt.maps.inputs]
    inputs[index].pop(key_of(kind, data), None)
    if value is not None:
        inputs[index][key_of(kind, data)] = value
    return Psbt(replace(psbt.maps, inputs=tuple(inputs)))


def with_transaction(psbt: Psbt, **changes: object) -> Psbt:
    """The PSBT around another unsigned transaction, every other field as it was."""
    unsigned = replace(psbt.maps.unsigned, **changes)
    return Psbt(replace(psbt.maps, unsigned=unsigned, shared={b"\x00": unsigned.stripped}))
