"""Whatever keeps a key is not believed: an answer that is not the verified key's never leaves the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from custody.chains.bitcoin.offline.psbt import Psbt
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.keeping import CosignerKey, SigningInput, WrongKey
from custody.cosigner.memory import Memory
from tests.cosigner.builders import World, cosigner_key
from tests.cosigner.safe_builders import SafeWorld, safe_key


class Keeper:
    """Answers with what it was made with."""

    asks_a_device = False

    def __init__(self, *, coins: Mapping[int, bytes] | None = None, other: bytes = b"") -> None:
        self.coins, self.other = coins or {}, other

    def sign_coins(self, psbt: Psbt, inputs: Sequence[SigningInput]) -> Mapping[int, bytes]:
        return self.coins

    def sign_owner(self, digest: bytes) -> bytes:
        return self.other

    def sign_statement(self, message: bytes) -> bytes:
        return self.other


def _key(honest: CosignerKey, **answers: object) -> CosignerKey:
    return CosignerKey(honest.header, honest.public_key, Keeper(**answers))  # type: ignore[arg-type]


def test_coins_are_signed_by_the_verified_keys_or_not_at_all(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    psbt, inputs = verdict.effect.psbt, verdict.effect.inputs
    ours = world.key.sign(psbt, inputs).inputs[0].partial_signatures[inputs[0].pubkey]
    assert _key(world.key, coins={0: ours}).sign(psbt, inputs) == world.key.sign(psbt, inputs)
    souths = World(me="south").judge(world.small(), memory)
    theirs = (
        next(iter(souths.effect.psbt.inputs)).partial_signatures
        or cosigner_key("south").sign(souths.effect.psbt, souths.effect.inputs).inputs[0].partial_signatures
    )
    foreign = next(iter(theirs.values()))
    for coins in ({}, {0: foreign}, {0: ours, 1: ours}, {1: ours}, {0: ours[:-1] + b"\x83"}, {0: b""}):
        with pytest.raises((WrongKey, IndexError)) as refused:
            _key(world.key, coins=coins).sign(psbt, inputs)
        assert refused.type is WrongKey, coins


def test_an_owner_signs_as_itself_or_not_at_all() -> None:
    unsigned = UnsignedSafeTx.parse(SafeWorld().ether().unsigned)
    honest, other = safe_key("north-safe"), safe_key("south-safe")
    good = bytes.fromhex(honest.sign_safe_tx(unsigned)[2:])
    assert _key(honest, other=good).sign_safe_tx(unsigned) == "0x" + good.hex()
    foreign = bytes.fromhex(other.sign_safe_tx(unsigned)[2:])
    flipped = good[:64] + bytes([55 - good[64]])
    for bad in (foreign, flipped, good[:64], good + b"\x00", b"", good[:64] + b"\x00"):
        with pytest.raises(WrongKey):
            _key(honest, other=bad).sign_safe_tx(unsigned)


def test_a_statement_is_signed_by_the_account_or_not_at_all() -> None:
    honest, message = cosigner_key("north"), bytes(range(32))
    good = bytes.fromhex(honest.sign_statement(message))
    assert _key(honest, other=good).sign_statement(message) == good.hex()
    for bad in (bytes.fromhex(cosigner_key("south").sign_statement(message)), good[:-1], b"", bytes(65)):
        with pytest.raises(WrongKey):
            _key(honest, other=bad).sign_statement(message)
    with pytest.raises(WrongKey):
        _key(honest, other=good).sign_statement(bytes(32))
