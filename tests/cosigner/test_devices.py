"""Hardware wallets, as far as no device reaches: the real HWI finds none; a stand-in shows what a device is given."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custody.chains.bitcoin.offline.psbt import parse_psbt, verified_signatures
from custody.cosigner.device import Device, DevicePlace, DeviceRefused, DeviceUnavailable, question
from custody.cosigner.enrolment import key_record
from custody.cosigner.keeping import CosignerKey, WrongKey
from custody.cosigner.keyring import open_key
from custody.evidence.keysets import KeysetCosigner, key_record_message
from custody.kernel.errors import InvalidInput
from demo.find import hwi_program
from tests.cosigner.builders import REGTEST, World, cosigner_key, words_of
from tests.cosigner.keyholder import DONE, REFUSED, UNREACHABLE, Keyholder, error_line, live_bundle
from tests.support.wallets import asked, write_command

FINGERPRINT = cosigner_key("north").header.account_key.fingerprint


@pytest.fixture
def hwi() -> Path:
    return hwi_program()


def _init(keyholder: Keyholder, command: Path, fingerprint: str = FINGERPRINT) -> int:
    words = ("--hwi", str(command), "--fingerprint", fingerprint)
    return keyholder.run("init-device", "--name", keyholder.name, "--network", keyholder.network, *words)


@pytest.fixture
def wallet(tmp_path: Path) -> Path:
    """A folder with a stand-in whose words are north's."""
    folder = tmp_path / "device"
    folder.mkdir()
    write_command(folder, words_of("north"))
    return folder


@pytest.fixture
def north_on_device(tmp_path: Path, wallet: Path) -> Keyholder:
    keyholder = Keyholder("north", tmp_path)
    assert _init(keyholder, wallet / "hwi") == DONE
    (wallet / "asked").unlink()
    return keyholder


def _key(keyholder: Keyholder, **changes: Any) -> CosignerKey:
    stored = {**json.loads((keyholder.home / "key.json").read_text()), **changes}

    def nothing(what: str) -> str:
        raise AssertionError(f"asked for a {what}")

    return open_key(stored, secret=nothing, cards=keyholder.home / "card")


def test_the_real_command_finds_no_device(hwi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _init(Keyholder("north", tmp_path), hwi) == UNREACHABLE
    assert error_line(capsys) == "error: device: no hardware wallet is connected"


def test_the_real_command_refuses_what_we_would_send_for_want_of_a_device(hwi: Path) -> None:
    """The command line and standard input are ones that HWI parses; it ends at the device, not at the words."""
    from custody.cosigner import device

    at = Device(DevicePlace(str(hwi)), REGTEST, FINGERPRINT)
    for words in (("getxpub", "m/48h/1h/0h/2h"), ("signtx", "cHNidP8="), ("signmessage", "00", "m/48h/1h/0h/2h")):
        said = device._run(at.arguments(), question(*words))
        assert said == {"error": "Could not find device with specified fingerprint or type", "code": -3}


def test_another_device_is_refused_before_anything_is_asked_of_it(
    tmp_path: Path, wallet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _init(Keyholder("north", tmp_path), wallet / "hwi", "deadbeef") == REFUSED
    assert error_line(capsys) == f"error: device: wanted is deadbeef; connected is {FINGERPRINT}"
    assert asked(wallet) == [["enumerate"]]


def test_takes_the_account_key_that_the_words_have(north_on_device: Keyholder) -> None:
    assert _key(north_on_device).header == cosigner_key("north").header


def test_the_device_is_given_the_very_psbt_and_its_signatures_are_taken(
    north_on_device: Keyholder, wallet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(now=datetime.now(UTC))
    assert north_on_device.pin(world) == DONE
    bundle = live_bundle(world)
    path = north_on_device.write("bundle", json.dumps(bundle.to_json()))
    capsys.readouterr()
    assert north_on_device.run("sign", path, "--yes") == DONE
    answer = json.loads(capsys.readouterr().out)
    call = ["--stdin", "--chain", "regtest", "--fingerprint", FINGERPRINT, "signtx", bundle.unsigned]
    assert asked(wallet) == [["enumerate"], call]
    ours = parse_psbt(bundle.unsigned)
    pubkeys = [world.branch(7).derive(change=False, index=0).pubkeys[0]]
    assert verified_signatures(ours=ours, returned=parse_psbt(answer["psbt"]), pubkeys=pubkeys).keys() == {0}
    # A device may add fields of its own; nothing but our signatures is taken from it.
    stripped = [
        {key: value for key, value in each.items() if key[0] != 2} for each in parse_psbt(answer["psbt"]).maps.inputs
    ]
    assert stripped == [dict(each) for each in ours.maps.inputs]


def test_statements_are_signed_messages_that_keysets_verify(north_on_device: Keyholder, wallet: Path) -> None:
    key = _key(north_on_device)
    record = key_record(key)
    message = key_record_message(cosigner="north", account_key=record.cosigner.account_key, chain=REGTEST.chain)
    assert record.cosigner.verifies(message, record.signature)
    assert asked(wallet)[-1][-3:] == ["signmessage", message.hex(), "m/48h/1h/0h/2h"]
    assert len(record.signature) == 130
    for spoilt in (
        record.signature[:2] + "00" + record.signature[4:],
        "1a" + record.signature[2:],
        # The same recovery bits under a header that BIP-137 does not have.
        f"{int(record.signature[:2], 16) + 12:02x}" + record.signature[2:],
        record.signature[:-2],
        cosigner_key("south").sign_statement(message),
    ):
        assert not record.cosigner.verifies(message, spoilt)
    assert not record.cosigner.verifies(bytes(32), record.signature)
    other = KeysetCosigner("south", "", cosigner_key("south").public_key)
    assert not other.verifies(message, record.signature)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": "signing cancelled by user", "code": -14}, DeviceRefused),
        ({"psbt": "nonsense", "signed": True}, DeviceRefused),
        ({"signed": True}, DeviceUnavailable),
        ([], DeviceUnavailable),
    ],
)
def test_what_is_no_signature_signs_nothing(
    north_on_device: Keyholder, wallet: Path, world: World, answer: Any, error: type[Exception]
) -> None:
    verdict_psbt = parse_psbt(world.small().unsigned)
    write_command(wallet, words_of("north"), signtx=answer)
    with pytest.raises(error):
        _key(north_on_device).sign(verdict_psbt, _inputs(world))


def test_a_device_that_signs_another_transaction_or_not_at_all_signs_nothing(
    north_on_device: Keyholder, wallet: Path, world: World
) -> None:
    other = world.small(unsigned=world.transaction([], [world.coin(7, 10_000_000)], fee_sat=9_000).base64)
    unsigned = world.small().unsigned
    for returned in (other.unsigned, unsigned):
        write_command(wallet, words_of("north"), signtx={"psbt": returned, "signed": True})
        with pytest.raises(WrongKey):
            _key(north_on_device).sign(parse_psbt(unsigned), _inputs(world))


def test_what_a_device_was_asked_is_remembered_whatever_it_answers(
    north_on_device: Keyholder, wallet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may have signed and the cable come off: from then on no other coins are signed for that intent."""
    world = World(now=datetime.now(UTC))
    assert north_on_device.pin(world) == DONE
    bundle = live_bundle(world)
    coin = world.coin(7, 9_000_000, salt="another")
    other = replace(
        bundle, id="bnd_2", attempt="att_2", unsigned=world.transaction(bundle.payments, [coin], fee_sat=3_000).base64
    )
    write_command(wallet, words_of("north"), signtx={"error": "gone", "code": -14})
    path = north_on_device.write("bundle", json.dumps(bundle.to_json()))
    assert north_on_device.run("sign", path, "--yes") == REFUSED
    capsys.readouterr()
    assert north_on_device.run("log") == DONE
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["kind"] == "signed"

    write_command(wallet, words_of("north"))
    second = north_on_device.write("second", json.dumps(other.to_json()))
    assert north_on_device.run("sign", second, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "not-a-replacement"
    for _ in range(2):
        assert north_on_device.run("sign", path, "--yes") == DONE
        assert json.loads(capsys.readouterr().out)["psbt"]
    assert north_on_device.run("log", "--verify") == DONE
    assert capsys.readouterr().out.startswith("3 entries")


def _inputs(world: World) -> Any:
    from custody.cosigner.keeping import SigningInput

    psbt = parse_psbt(world.small().unsigned)
    pubkey = world.branch(7).derive(change=False, index=0).pubkeys[0]
    return [SigningInput(0, psbt.inputs[0].outpoint, 10_000_000, (7, 0, 0), pubkey)]


def test_the_device_shows_the_address_that_is_derived_here(
    north_on_device: Keyholder, wallet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(now=datetime.now(UTC))
    assert north_on_device.pin(world) == DONE
    root = north_on_device.write("root.json", json.dumps(world.signed_root.to_json()))
    words = ("address", "--root", root, "--vault", "kst_demo/7", "--index", "5")
    capsys.readouterr()
    assert north_on_device.run(*words) == DONE
    assert capsys.readouterr().out.strip() == world.branch(7).derive(change=False, index=5).address
    descriptor = asked(wallet)[-1][-1]
    assert asked(wallet)[-1][-3:-1] == ["displayaddress", "--desc"]
    assert descriptor.split("#")[0].count("/48h/1h/0h/2h/7]tpub") == 3
    assert descriptor.split("#")[0].count("/0/5") == 3

    write_command(wallet, words_of("north"), displayaddress={"address": "bcrt1qelsewhere"})
    assert north_on_device.run(*words) == REFUSED
    assert "another address" in error_line(capsys)
    other = north_on_device.write(
        "root.json", json.dumps(replace(world, operators=("alice", "bob", "dora"), groups=()).signed_root.to_json())
    )
    assert north_on_device.run("address", "--root", other, "--vault", "kst_demo/7", "--index", "5") == 2
    assert "pinned" in error_line(capsys)


def test_no_command_no_safe_and_no_words_with_blanks(
    north_on_device: Keyholder, tmp_path: Path, wallet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DeviceUnavailable, match="make hwi"):
        _key(north_on_device, device={"command": "/nowhere/hwi"}).sign_statement(bytes(32))
    safe = replace(north_on_device, name="north-safe", network="anvil")
    capsys.readouterr()
    assert _init(safe, wallet / "hwi") == 2
    assert "Bitcoin alone" in error_line(capsys)
    for word in ("two words", 'a"b', "a\nb", "a\\b"):
        with pytest.raises(InvalidInput):
            question("signtx", word)
