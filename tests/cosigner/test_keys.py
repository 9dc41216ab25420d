"""Keys: made, sealed, opened, and never let out."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from embit import bip32, bip39

import custody.cosigner.keys as keys_module
from custody.chains.bitcoin.offline.keys import HARDENED, verify_message
from custody.chains.bitcoin.offline.psbt import count_valid_signatures, parse_psbt, verified_signatures
from custody.cosigner.keys import CosignerKey, SigningInput, WrongKey, create_key, open_key, read_header
from custody.cosigner.memory import Memory
from custody.cosigner.sealing import WrongPassphrase, seal
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import PASSPHRASE, REGTEST, World, cosigner_key, stored_key, words_of

ACCOUNT = [HARDENED + 48, HARDENED + 1, HARDENED, HARDENED + 2]


def _make(**changes: Any) -> dict[str, Any]:
    values = {"name": "north", "network": REGTEST, "passphrase": PASSPHRASE, "log2n": 12, **changes}
    return create_key(keep_backup=values.pop("keep_backup", lambda _words: None), **values)


def test_makes_twenty_four_words_and_hands_them_over_once() -> None:
    kept: list[str] = []
    stored = _make(keep_backup=kept.append)
    assert len(kept) == 1
    assert len(kept[0].split()) == 24
    assert open_key(stored, passphrase=PASSPHRASE).header == read_header(_make(mnemonic=kept[0]))


def test_makes_other_words_every_time() -> None:
    assert _make()["account_key"] != _make()["account_key"]


def test_derives_the_bip48_account_that_embit_derives() -> None:
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of("north")))
    account = cosigner_key("north").header.account_key
    assert account.fingerprint == root.my_fingerprint.hex()
    assert account.public_key == root.derive(ACCOUNT).key.get_public_key().sec()
    assert account.path == "48h/1h/0h/2h"


def test_opens_a_key_from_the_bip39_reference_words() -> None:
    # BIP-39's reference vector of 16 zero bytes; fingerprint of its master key as wallets show it.
    stored = _make(mnemonic=" ".join(["abandon"] * 11 + ["about"]))
    assert read_header(stored).account_key.fingerprint == "73c5da0a"


@pytest.mark.parametrize("words", ["", "abandon", " ".join(["abandon"] * 12), " ".join(["zoo"] * 24), "secret " * 12])
def test_refuses_words_that_are_not_bip39_without_repeating_them(words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        _make(mnemonic=words)
    assert error.value.field == "mnemonic"
    assert not any(word in str(error.value) for word in words.split())


def test_refuses_another_passphrase() -> None:
    with pytest.raises(WrongPassphrase) as error:
        open_key(stored_key("north"), passphrase="correct horse battery stapler")
    assert "stapler" not in str(error.value)


def test_refuses_a_short_passphrase() -> None:
    with pytest.raises(InvalidInput, match="passphrase"):
        _make(passphrase="1234567")


@pytest.mark.parametrize("log2n", [11, 21, True, -1])
def test_refuses_a_cost_outside_its_limits(log2n: int) -> None:
    with pytest.raises(InvalidInput, match="log2n"):
        _make(log2n=log2n)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("name", "south"),
        ("account_key", stored_key("south")["account_key"]),
        ("network", "signet"),
    ],
)
def test_refuses_a_key_file_whose_header_was_altered(part: str, value: str) -> None:
    with pytest.raises(WrongPassphrase):
        open_key({**stored_key("north"), part: value}, passphrase=PASSPHRASE)


@pytest.mark.parametrize("part", ["salt", "nonce", "ciphertext"])
def test_refuses_a_key_file_whose_lock_was_altered(part: str) -> None:
    stored = copy.deepcopy(stored_key("north"))
    text = stored["sealed"][part]
    stored["sealed"][part] = ("0" if text[0] != "0" else "1") + text[1:]
    with pytest.raises(WrongPassphrase):
        open_key(stored, passphrase=PASSPHRASE)


def test_a_key_file_holds_neither_words_nor_seed() -> None:
    text = json.dumps(stored_key("north"))
    words = words_of("north")
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words))
    secrets = [*words.split(), bip39.mnemonic_to_seed(words).hex(), root.derive(ACCOUNT).key.secret.hex(), "prv"]
    assert not [secret for secret in secrets if len(secret) > 4 and secret in text]


def test_adds_only_its_own_signature_to_every_input(world: World, memory: Memory) -> None:
    bundle = world.small()
    verdict = world.judge(bundle, memory)
    ours, signed = parse_psbt(bundle.unsigned), world.key.sign(verdict.effect.psbt, verdict.effect.inputs)
    pubkeys = [entry.pubkey for entry in verdict.effect.inputs]
    assert verified_signatures(ours=ours, returned=signed, pubkeys=pubkeys).keys() == {0}
    assert count_valid_signatures(signed) == [1]
    assert list(signed.inputs[0].partial_signatures) == pubkeys
    assert signed.unsigned_transaction == ours.unsigned_transaction
    stripped = [{key: value for key, value in fields.items() if key[0] != 2} for fields in signed.maps.inputs]
    assert stripped == [dict(fields) for fields in ours.maps.inputs]


def test_signs_the_same_way_every_time(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    assert world.key.sign(verdict.effect.psbt, verdict.effect.inputs) == world.key.sign(
        verdict.effect.psbt, verdict.effect.inputs
    )


def test_refuses_to_sign_for_a_public_key_that_is_not_at_the_path(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    (entry,) = verdict.effect.inputs
    moved = SigningInput(entry.index, entry.outpoint, entry.amount_sat, (7, 0, 1), entry.pubkey)
    with pytest.raises(WrongKey):
        world.key.sign(verdict.effect.psbt, [moved])


def test_statements_verify_under_the_account_key() -> None:
    key, message = cosigner_key("north"), bytes(range(32))
    signature = bytes.fromhex(key.sign_statement(message))
    assert verify_message(key.header.account_key.public_key, message, signature)


# P-079: nothing can emit a child private key of an exported xpub.


def test_p079_an_opened_key_shows_nothing_but_its_public_header() -> None:
    key = cosigner_key("north")
    shown = {name: getattr(key, name) for name in dir(key) if not name.startswith("_")}
    assert set(shown) == {"asks_a_device", "header", "public_key", "sign", "sign_safe_tx", "sign_statement"}
    assert not hasattr(key, "__dict__")
    for text in (repr(key), str(key), f"{key}"):
        assert text == "CosignerKey(north, " + key.header.account_key.fingerprint + ")"


def test_p079_an_opened_key_is_neither_pickled_nor_copied() -> None:
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(cosigner_key("north"))


def test_p079_no_public_function_of_the_keys_module_returns_bytes_or_words() -> None:
    returned = {
        name: inspect.signature(found).return_annotation
        for name, found in inspect.getmembers(keys_module, inspect.isfunction)
        if found.__module__ == keys_module.__name__ and not name.startswith("_")
    }
    assert returned == {"create_key": "dict[str, Any]", "open_key": "CosignerKey", "read_header": "KeyHeader"}
    methods = {
        name: inspect.signature(found).return_annotation
        for name, found in inspect.getmembers(CosignerKey, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == {"sign": "Psbt", "sign_safe_tx": "str", "sign_statement": "str"}


_PRIVATE_NAMES = {"secret", "derive", "to_base58", "to_wif", "wif", "xprv", "from_seed", "mnemonic_to_seed", "HDKey"}
_ROOTS = Path(keys_module.__file__).parents[1]


def _uses(path: Path, names: set[str]) -> set[str]:
    tree = ast.parse(path.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return used & names


def test_p079_no_other_module_of_the_cosigner_touches_private_keys() -> None:
    found = {
        path.name: _uses(path, _PRIVATE_NAMES - {"derive"})
        for path in (_ROOTS / "cosigner").rglob("*.py")
        if path.name != "keys.py"
    }
    assert {name: uses for name, uses in found.items() if uses} == {}


def test_p079_only_the_keys_module_imports_the_signer_and_embits_private_keys() -> None:
    importers = {
        path.relative_to(_ROOTS).as_posix()
        for path in _ROOTS.rglob("*.py")
        if _uses(path, {"signature_over", "message_signature", "bip39", "bip32"})
    }
    assert importers == {"cosigner/keys.py"}


SIGNING = ("signature_over", "owner_signature", "message_signature")


def test_p079_private_bytes_go_nowhere_but_into_a_signature() -> None:
    tree = ast.parse(Path(keys_module.__file__).read_text())
    secrets = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "secret"]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    signing = [call for call in calls if call.func.id in SIGNING]  # type: ignore[attr-defined]
    handed_in = [argument for call in signing for argument in call.args]
    assert secrets
    assert all(secret in handed_in for secret in secrets)


def test_refuses_a_key_file_that_names_another_account_than_its_words() -> None:
    header = {name: value for name, value in stored_key("south").items() if name != "sealed"}
    sealed = seal(words_of("north").encode(), passphrase=PASSPHRASE, header=header, log2n=12)
    with pytest.raises(WrongKey):
        open_key({**header, "sealed": sealed}, passphrase=PASSPHRASE)


def test_refuses_another_shape_of_scrypt() -> None:
    stored = copy.deepcopy(stored_key("north"))
    stored["sealed"]["r"] = 1
    with pytest.raises(InvalidInput, match="scrypt"):
        open_key(stored, passphrase=PASSPHRASE)
