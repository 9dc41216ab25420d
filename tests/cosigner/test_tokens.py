"""A key inside a PKCS#11 module: it stays there, signs what was verified, and whatever is wrong signs nothing."""

from __future__ import annotations

import copy
import json
import pickle
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, Mechanism, ObjectClass

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.ecdsa import ORDER, is_strict_der
from custody.chains.bitcoin.offline.psbt import parse_psbt, verified_signatures
from custody.cosigner.keeping import CosignerKey, WrongKey
from custody.cosigner.keyring import open_key, read_header
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.token import TokenUnavailable
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import KEPT_ELSEWHERE, REGTEST, World, tamper
from tests.cosigner.keyholder import DONE, INVALID, REFUSED, ROOT, UNREACHABLE, error_line
from tests.cosigner.safe_builders import SafeWorld
from tests.support.tokens import PIN, Token, TokenHolder, token

__all__ = ["token"]


@pytest.fixture
def holder(token: Token, tmp_path: Path) -> TokenHolder:
    return token.holder("hsm", tmp_path)


@pytest.fixture
def mixed(holder: TokenHolder) -> Iterator[World]:
    """The world with our key in the token."""
    KEPT_ELSEWHERE["hsm"] = holder.key
    yield World(cosigners=("hsm", "south", "east"), me="hsm")
    del KEPT_ELSEWHERE["hsm"]


def test_the_key_never_comes_out_and_its_home_holds_no_secret(holder: TokenHolder, token: Token) -> None:
    for path in holder.home.iterdir():
        assert PIN.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert holder.key.sign_statement(bytes(32))
    slot = pkcs11.lib(str(token.module)).get_token(token_label=token.label)
    with slot.open() as session:
        private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=holder.label)
        assert (private[Attribute.SENSITIVE], private[Attribute.EXTRACTABLE]) == (True, False)
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            private[Attribute.VALUE]


def test_every_signature_has_a_low_s_and_verifies(holder: TokenHolder, token: Token) -> None:
    key, high = holder.key, 0
    made = [bytes.fromhex(key.sign_statement(bytes([number] * 32))) for number in range(24)]
    assert all(is_strict_der(signature) for signature in made)
    slot = pkcs11.lib(str(token.module)).get_token(token_label=token.label)
    with slot.open() as session:
        private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=holder.label)
        for number in range(24):
            raw = private.sign(bytes([number] * 32), mechanism=Mechanism.ECDSA)
            high += int.from_bytes(raw[32:], "big") > ORDER // 2
    assert high, "the module itself gives high s as well"


def test_the_recovery_bit_is_found(token: Token, tmp_path: Path) -> None:
    key = token.holder("hsm-safe", tmp_path, "anvil").key
    KEPT_ELSEWHERE["hsm-safe"] = key
    try:
        world = SafeWorld(owners=("hsm-safe", "south-safe", "east-safe"), me="hsm-safe")
        memory = Memory.create(tmp_path / "memory.sqlite")
        seen = set()
        for nonce in range(12):
            verdict = world.judge(world.ether(nonce=nonce), memory)
            seen.add(verdict.effect.signed_by(key)[-2:])
        memory.close()
    finally:
        del KEPT_ELSEWHERE["hsm-safe"]
    assert seen == {"1b", "1c"}


def test_signs_every_input_of_a_verified_payment(mixed: World, memory: Memory) -> None:
    bundle = mixed.small()
    verdict = mixed.judge(bundle, memory)
    ours, signed = parse_psbt(bundle.unsigned), mixed.key.sign(verdict.effect.psbt, verdict.effect.inputs)
    pubkeys = [entry.pubkey for entry in verdict.effect.inputs]
    assert pubkeys == [bytes.fromhex(mixed.key.public_key)]
    assert verified_signatures(ours=ours, returned=signed, pubkeys=pubkeys).keys() == {0}


@pytest.mark.parametrize("part", ["input", "output"])
def test_a_fixed_key_is_no_proof_of_whose_a_script_is(mixed: World, memory: Memory, part: str) -> None:
    """Another client's vault holds the same fixed key; only derivation tells the two apart."""
    other = World(cosigners=mixed.cosigners, me="hsm").coin(8, 10_000_000)
    payment = mixed.payment(mixed.withdrawal("acme", 2_000_000), branch=7)
    coins = [other] if part == "input" else [mixed.coin(7, 10_000_000)]
    psbt = mixed.transaction([payment], coins, fee_sat=3_000)
    if part == "output":
        theirs = mixed.branch(8).derive(change=True, index=0).script_pubkey
        psbt = parse_psbt(tamper(psbt, transaction=lambda found: _to(found, theirs)))
    with pytest.raises(CosignerRefusal) as refused:
        mixed.judge(mixed.bundle([payment], [mixed.opening("acme", 7)], psbt), memory)
    assert refused.value.reason == (Reason.INPUT_NOT_OURS if part == "input" else Reason.CHANGE_NOT_OURS)


def _to(transaction, script):
    first, change = transaction.outputs
    return replace(transaction, outputs=(first, replace(change, script_pubkey=script)))


def test_refuses_an_input_that_names_another_key(mixed: World, memory: Memory) -> None:
    verdict = mixed.judge(mixed.small(), memory)
    (entry,) = verdict.effect.inputs
    stranger = BranchDescriptor(2, mixed.branch(7).keys, 7, REGTEST).derive(change=False, index=0).pubkeys[1]
    with pytest.raises(WrongKey, match="verified public key"):
        mixed.key.sign(verdict.effect.psbt, [replace(entry, pubkey=stranger)])


def _stored(holder: TokenHolder, **changes: object) -> dict[str, object]:
    return {**json.loads((holder.home / "key.json").read_text()), **changes}


def _opened(holder: TokenHolder, **changes: object) -> CosignerKey:
    return open_key(_stored(holder, **changes), secret=lambda what: {"pin": PIN}[what], cards=holder.home / "card")


def test_a_key_file_of_another_key_signs_nothing(token: Token, holder: TokenHolder, tmp_path: Path) -> None:
    other = token.holder("other", tmp_path)
    with pytest.raises(WrongKey, match="the key file's"):
        _opened(holder, token=_stored(other)["token"]).sign_statement(bytes(32))
    with pytest.raises(InvalidInput, match="public_key"):
        _opened(holder, public_key=_stored(other)["public_key"])
    with pytest.raises(InvalidInput, match="public_key"):
        _opened(holder, account_key=_stored(other)["account_key"])


def test_a_module_token_or_key_that_is_not_there_says_so(holder: TokenHolder) -> None:
    place = _stored(holder)["token"]
    assert isinstance(place, dict)
    for part, name in (("module", "/nowhere/module.so"), ("token", "another"), ("key", "another")):
        with pytest.raises(TokenUnavailable) as told:
            _opened(holder, token={**place, part: name}).sign_statement(bytes(32))
        assert PIN not in str(told.value)


def test_showing_a_bundle_loads_no_module(holder: TokenHolder) -> None:
    place = _stored(holder)["token"]
    assert isinstance(place, dict)
    opened = _opened(holder, token={**place, "module": "/nowhere/module.so"})
    assert opened.header == read_header(_stored(holder))
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(opened)


def test_a_label_is_made_once(holder: TokenHolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = TokenHolder("again", tmp_path, "regtest", holder.token, holder.label)
    capsys.readouterr()
    assert again.begin(make=True) == INVALID
    assert "there already" in error_line(capsys)
    assert again.begin() == DONE
    assert again.key.public_key == holder.key.public_key


def test_a_wrong_pin_is_refused_and_nowhere_repeated(holder: TokenHolder) -> None:
    """In a process of its own: one login serves a whole process, and here is one already."""
    wrong = "52839174"
    words = [*holder.arguments("record"), "--pin-file", holder.write("wrong", wrong)]
    done = subprocess.run(
        [sys.executable, "-m", "custody.cosigner.main", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert done.stderr == "error: pin: the token answers PinIncorrect\n"
    words[-1] = holder.write("pin", PIN)
    done = subprocess.run(
        [sys.executable, "-m", "custody.cosigner.main", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == DONE, done.stderr
    assert json.loads(done.stdout)["public_key"] == holder.key.public_key


def test_a_module_that_is_not_there_ends_init_with_one_line(
    holder: TokenHolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = TokenHolder("again", tmp_path, "regtest", holder.token, holder.label)
    capsys.readouterr()
    assert again.begin(module="/nowhere/module.so") == UNREACHABLE
    assert error_line(capsys) == "error: key.token.module: the module is not there"
    assert not (again.home / "key.json").exists()


def test_a_refusal_is_signed_by_the_token(
    mixed: World, holder: TokenHolder, capsys: pytest.CaptureFixture[str]
) -> None:
    live = replace(mixed, now=_now(), expires_at=World().expires_at)
    assert holder.pin(live) == DONE
    bundle = live.bundle([], [], live.transaction([], [live.coin(7, 10_000)], fee_sat=1_000))
    path = holder.write("bundle", json.dumps(bundle.to_json()))
    capsys.readouterr()
    assert holder.run_open("sign", path, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["signature"]


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC)
