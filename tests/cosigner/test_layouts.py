"""Vaults of one registered policy: whose a coin is stands in its position alone, and the cosigner proves it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custody.chains.bitcoin.addressing import BitcoinAddressing
from custody.chains.bitcoin.offline.descriptor import POLICY_BLOCK, open_descriptor
from custody.chains.bitcoin.offline.psbt import Psbt, parse_psbt
from custody.chains.bitcoin.offline.psbt.maps import IN_DERIVATION, OUT_DERIVATION, key_of
from custody.chains.bitcoin.offline.psbt.view import write_origin
from custody.chains.ethereum.addressing import EthereumAddressing
from custody.cosigner.craft import KeysetContradicts
from custody.cosigner.crafts import craft_of
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.keysets import BRANCHES, POLICY, Keyset
from custody.kernel.errors import CustodyError, InvalidInput
from tests.cosigner.builders import REGTEST, World, cosigner_key, tamper
from tests.cosigner.safe_builders import ANVIL, SafeWorld

SHARED = World(layout=POLICY)


def _spend(world: World, *, coins_of: int = 7, change_of: int = 7, index: int = 0) -> Psbt:
    """Client acme's payment (vault 7), out of and back to whatever vault an attacker likes."""
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7)
    psbt = world.transaction([payment], [world.coin(coins_of, 10_000_000, index=index)], fee_sat=3_000)
    if change_of == coins_of:
        return psbt
    descriptor = world.branch(change_of)
    script = descriptor.derive(change=True, index=0).script_pubkey
    origins = {
        key_of(OUT_DERIVATION, pubkey): write_origin(origin)
        for pubkey, origin in descriptor.origins(change=True, index=0).items()
    }

    def moved(transaction):
        first, change = transaction.outputs
        return replace(transaction, outputs=(first, replace(change, script_pubkey=script)))

    return parse_psbt(tamper(psbt, transaction=moved, outputs=lambda place, old: origins if place else old))


def _judge(world: World, memory: Memory, psbt: Psbt) -> None:
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7)
    world.judge(world.bundle([payment], [world.opening("acme", 7)], psbt), memory)


@pytest.mark.parametrize("index", [0, 19, POLICY_BLOCK - 1])
def test_signs_for_the_clients_own_block(memory: Memory, index: int) -> None:
    bundle = SHARED.small(unsigned=_spend(SHARED, index=index).base64)
    verdict = SHARED.judge(bundle, memory)
    (entry,) = verdict.effect.inputs
    assert entry.path == (0, 7 * POLICY_BLOCK + index)
    assert SHARED.key.sign(verdict.effect.psbt, verdict.effect.inputs)


@pytest.mark.parametrize("other", [6, 8, 0])
def test_another_clients_block_is_not_ours(memory: Memory, other: int) -> None:
    """The same keys, the same descriptor, a genuine origin: and another client's coins."""
    with pytest.raises(CosignerRefusal) as refused:
        _judge(SHARED, memory, _spend(SHARED, coins_of=other))
    assert refused.value.reason == Reason.INPUT_NOT_OURS
    with pytest.raises(CosignerRefusal) as refused:
        _judge(SHARED, memory, _spend(SHARED, change_of=other))
    assert refused.value.reason == Reason.CHANGE_NOT_OURS


def test_an_origin_that_lies_about_the_block_is_not_believed(memory: Memory) -> None:
    """The other client's script under origins of our own block."""
    psbt = _spend(SHARED, change_of=8)
    lies = {
        key_of(OUT_DERIVATION, pubkey): write_origin(origin)
        for pubkey, origin in SHARED.branch(7).origins(change=True, index=0).items()
    }
    told = parse_psbt(tamper(psbt, outputs=lambda place, old: lies if place else old))
    with pytest.raises(CosignerRefusal) as refused:
        _judge(SHARED, memory, told)
    assert refused.value.reason == Reason.CHANGE_NOT_OURS


@pytest.mark.parametrize("layout", [BRANCHES, POLICY])
def test_another_clients_coin_under_our_origins_is_not_ours(memory: Memory, layout: str) -> None:
    world = World(layout=layout)
    ours = {
        key_of(IN_DERIVATION, pubkey): write_origin(origin)
        for pubkey, origin in world.branch(7).origins(change=False, index=0).items()
    }
    psbt = _spend(world, coins_of=8)

    def lie(_place, fields):
        return {**{kind: value for kind, value in fields.items() if kind[0] != IN_DERIVATION}, **ours}

    with pytest.raises(CosignerRefusal) as refused:
        _judge(world, memory, parse_psbt(tamper(psbt, inputs=lie)))
    assert refused.value.reason == Reason.INPUT_NOT_OURS


def test_an_input_with_more_origins_than_members_is_not_looked_through(memory: Memory) -> None:
    world = World()

    more = {
        key_of(IN_DERIVATION, pubkey): write_origin(origin)
        for pubkey, origin in world.branch(7).origins(change=False, index=1).items()
    }

    def many(_place, fields):
        return {**fields, **more}

    with pytest.raises(CosignerRefusal) as refused:
        _judge(world, memory, parse_psbt(tamper(_spend(world), inputs=many)))
    assert refused.value.reason == Reason.INPUT_NOT_OURS


@pytest.mark.parametrize("layout", [BRANCHES, POLICY])
def test_a_right_key_under_another_path_is_not_ours(memory: Memory, layout: str) -> None:
    """Who signs by path would sign with another key; the path is taken at its word or not at all."""
    world = World(layout=layout)

    def lie(_place, fields):
        return {
            kind: value[:-12] + bytes([value[-12] ^ 1]) + value[-11:] if kind[0] == 6 else value
            for kind, value in fields.items()
        }

    told = parse_psbt(tamper(_spend(world), inputs=lie))
    assert told.inputs[0].derivations.keys() == _spend(world).inputs[0].derivations.keys()
    with pytest.raises(CosignerRefusal) as refused:
        _judge(world, memory, told)
    assert refused.value.reason == Reason.INPUT_NOT_OURS


def test_a_vault_beyond_the_last_block_is_refused(memory: Memory) -> None:
    payment = SHARED.payment(SHARED.withdrawal("acme", 2_000_000), branch=32_768)
    bundle = SHARED.bundle([payment], [SHARED.opening("acme", 32_768)], _spend(SHARED))
    with pytest.raises(CosignerRefusal) as refused:
        SHARED.judge(bundle, memory)
    assert refused.value.reason == Reason.INPUT_NOT_OURS


@pytest.mark.parametrize("layout", [BRANCHES, POLICY])
def test_layout_and_descriptor_say_the_same(layout: str) -> None:
    """Both the daemon and the cosigner refuse a keyset read with another layout than its cosigners signed."""
    honest = World(layout=layout).keyset
    assert Keyset.parse(honest.to_json(), field="keyset") == honest
    assert ("layout" in honest.to_json()) == (layout == POLICY)
    forged = replace(honest, layout=BRANCHES if layout == POLICY else POLICY)
    assert forged.descriptor_hash == honest.descriptor_hash
    with pytest.raises(KeysetContradicts):
        craft_of(REGTEST).check_keyset(forged)
    with pytest.raises(CustodyError, match="descriptor"):
        BitcoinAddressing(REGTEST).check_keyset(forged)


@pytest.mark.parametrize("layout", [BRANCHES, "spread", "", None, 1])
def test_a_layout_is_said_in_one_way(layout: object) -> None:
    with pytest.raises(InvalidInput, match="layout"):
        Keyset.parse({**World().keyset.to_json(), "layout": layout}, field="keyset")


def test_safes_have_no_layout() -> None:
    forged = replace(SafeWorld().safe_keyset, layout=POLICY)
    with pytest.raises(KeysetContradicts, match="layout"):
        craft_of(ANVIL).check_keyset(forged)
    with pytest.raises(CustodyError, match="layout"):
        EthereumAddressing(ANVIL).check_keyset(forged)


def test_the_descriptor_signed_is_the_one_registered() -> None:
    keys = [cosigner_key(name).header.account_key for name in SHARED.cosigners]
    assert SHARED.keyset.descriptor == open_descriptor(threshold=2, keys=keys, layout=POLICY)
    assert SHARED.branch(3).text.split("#")[0] == SHARED.keyset.descriptor
