"""A device reached by files alone: its part is played by embit, which is given the files and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import coincurve
import pytest
from embit import bip32, bip39
from embit.psbt import PSBT

from custody.chains.bitcoin.offline.psbt import parse_psbt, verified_signatures
from custody.evidence.keysets import KeysetCosigner, key_record_message
from tests.cosigner.builders import REGTEST, World, cosigner_key, words_of
from tests.cosigner.keyholder import DONE, INVALID, REFUSED, WAITING, Keyholder, error_line, live_bundle
from tests.support.wallets import MAGIC

ROOT = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of("north")))


@pytest.fixture
def holder(tmp_path: Path) -> Keyholder:
    keyholder = Keyholder("north", tmp_path)
    assert _init(keyholder, cosigner_key("north").header.account_key.text) == DONE
    return keyholder


def _init(keyholder: Keyholder, account_key: str) -> int:
    words = ("--account-key-file", keyholder.write("account", account_key + "\n"))
    return keyholder.run("init-card", "--name", keyholder.name, "--network", keyholder.network, *words)


def _written(keyholder: Keyholder, kind: str) -> Path:
    (path,) = [each for each in (keyholder.home / "card").glob(f"*.{kind}") if "-signed" not in each.name]
    return path


def _answer(unsigned: Path) -> Path:
    return unsigned.with_name(f"{unsigned.stem}-signed{unsigned.suffix}")


def _sign_psbt(unsigned: Path, root: bip32.HDKey = ROOT) -> None:
    psbt = PSBT.parse(unsigned.read_bytes())
    psbt.sign_with(root)
    _answer(unsigned).write_bytes(psbt.serialize())


def _sign_text(unsigned: Path) -> None:
    """As a Coldcard does: the text, the address, the signature, in an armour."""
    text, path = unsigned.read_text().splitlines()
    hashed = hashlib.sha256(MAGIC + bytes([len(text)]) + text.encode()).digest()
    made = coincurve.PrivateKey(ROOT.derive(path).key.secret).sign_recoverable(
        hashlib.sha256(hashed).digest(), hasher=None
    )
    signature = base64.b64encode(bytes([31 + made[64]]) + made[:64]).decode()
    begin, end = "-----BEGIN BITCOIN SIGNED MESSAGE-----", "-----END BITCOIN SIGNED MESSAGE-----"
    _answer(unsigned).write_text(
        f"{begin}\r\n{text}\r\n-----BEGIN SIGNATURE-----\r\naddress\r\n{signature}\r\n{end}\r\n"
    )


def test_a_transaction_goes_to_the_device_and_back(holder: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(now=datetime.now(UTC))
    assert holder.pin(world) == DONE
    bundle = live_bundle(world)
    path = holder.write("bundle", json.dumps(bundle.to_json()))
    assert holder.run("sign", path, "--yes") == WAITING
    unsigned, ours = _written(holder, "psbt"), parse_psbt(bundle.unsigned)
    assert unsigned.read_bytes() == ours.raw
    assert unsigned.name == f"{ours.txid}.psbt"
    assert "repeat this command" in capsys.readouterr().err

    _sign_psbt(unsigned)
    for form in ("binary", "base64"):
        if form == "base64":
            _answer(unsigned).write_text(base64.b64encode(_answer(unsigned).read_bytes()).decode() + "\n")
        assert holder.run("sign", path, "--yes") == DONE
        answer = json.loads(capsys.readouterr().out)
        pubkeys = [world.branch(7).derive(change=False, index=0).pubkeys[0]]
        returned = parse_psbt(answer["psbt"])
        assert verified_signatures(ours=ours, returned=returned, pubkeys=pubkeys).keys() == {0}
        assert returned.unsigned_transaction == ours.unsigned_transaction


def test_what_left_for_the_device_counts_as_signed(holder: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(now=datetime.now(UTC))
    assert holder.pin(world) == DONE
    bundle = live_bundle(world)
    assert holder.run("sign", holder.write("bundle", json.dumps(bundle.to_json())), "--yes") == WAITING
    coin = world.coin(7, 9_000_000, salt="another")
    unsigned = world.transaction(bundle.payments, [coin], fee_sat=3_000).base64
    other = replace(bundle, id="bnd_2", attempt="att_2", unsigned=unsigned)
    capsys.readouterr()
    assert holder.run("sign", holder.write("other", json.dumps(other.to_json())), "--yes") == WAITING
    said = capsys.readouterr()
    assert (said.out, "not-a-replacement" in said.err) == ("", True)
    assert len(list((holder.home / "card").glob("*.psbt"))) == 1, "nothing of it left for the device"


def test_a_wrong_answer_of_the_device_signs_nothing(holder: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(now=datetime.now(UTC))
    assert holder.pin(world) == DONE
    path = holder.write("bundle", json.dumps(live_bundle(world).to_json()))
    assert holder.run("sign", path, "--yes") == WAITING
    unsigned = _written(holder, "psbt")
    stranger = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of("stranger")))
    elsewhere = world.transaction([], [world.coin(7, 10_000_000)], fee_sat=9_000)

    def signed_by_a_stranger() -> None:
        _sign_psbt(unsigned, stranger)

    def of_another_transaction() -> None:
        psbt = PSBT.parse(elsewhere.raw)
        psbt.sign_with(ROOT)
        _answer(unsigned).write_bytes(psbt.serialize())

    def nonsense() -> None:
        _answer(unsigned).write_bytes(b"no psbt")

    for spoil in (signed_by_a_stranger, of_another_transaction, nonsense):
        spoil()
        capsys.readouterr()
        assert holder.run("sign", path, "--yes") == REFUSED
        assert capsys.readouterr().out == ""


def test_proves_its_key_with_a_signed_text(holder: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert holder.run("record") == WAITING
    text = _written(holder, "txt")
    account = cosigner_key("north").header.account_key
    message = key_record_message(cosigner="north", account_key=account.text, chain=REGTEST.chain)
    assert text.read_text() == f"{message.hex()}\nm/48h/1h/0h/2h\n"
    _sign_text(text)
    capsys.readouterr()
    assert holder.run("record") == DONE
    record = json.loads(capsys.readouterr().out)
    assert KeysetCosigner("north", account.text, record["public_key"]).verifies(message, record["signature"])

    _answer(text).write_text("no signature\n")
    assert holder.run("record") == REFUSED
    error_line(capsys)


@pytest.mark.parametrize(
    "text", ["", "xpub", cosigner_key("north").header.account_key.xpub, "[00000000]02" + "11" * 32]
)
def test_takes_account_keys_alone(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _init(Keyholder("north", tmp_path), text) == INVALID
    error_line(capsys)
    assert not (tmp_path / "north").exists()


def test_a_key_file_that_names_another_point_is_no_key(holder: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    path = holder.home / "key.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "public_key": cosigner_key("south").public_key}))
    capsys.readouterr()
    assert holder.run("record") == INVALID
    assert "key.public_key" in error_line(capsys)
