"""Making a key, joining a keyset, pinning a trust root, by the program itself."""

from __future__ import annotations

import json
from pathlib import Path

import coincurve
import pytest

from custody.evidence.keysets import check_consents, key_record_message
from custody.evidence.signatures import Signature
from custody.evidence.words import digest_code
from tests.cosigner.builders import PASSPHRASE, World, cosigner_key, words_of
from tests.cosigner.keyholder import (
    DONE,
    INVALID,
    REFUSED,
    Keyholder,
    error_line,
)


def test_init_makes_a_private_home_and_says_the_public_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    north = Keyholder("north", tmp_path)
    assert north.init() == DONE
    account, out = cosigner_key("north").header.account_key, capsys.readouterr().out
    assert f"fingerprint {account.fingerprint}" in out
    assert account.text in out
    assert north.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in north.home.iterdir()} == {0o600}


def test_init_shows_and_stores_no_secret_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    north = Keyholder("north", tmp_path)
    assert north.init() == DONE
    captured = capsys.readouterr()
    stored = "".join(path.read_bytes().decode("latin-1") for path in north.home.iterdir())
    written = captured.out + captured.err + stored
    assert "north" in written
    assert PASSPHRASE not in written
    assert words_of("north")[:30] not in written
    assert "prv" not in captured.out + (north.home / "key.json").read_text()


def test_init_writes_new_words_to_a_private_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east, backup = Keyholder("east", tmp_path), tmp_path / "backup"
    arguments = ("init", "--name", "east", "--network", "regtest", "--scrypt-log2n", "12")
    assert east.run_open(*arguments, "--backup-file", str(backup)) == DONE
    assert len(backup.read_text().split()) == 24
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backup.read_text().strip() not in capsys.readouterr().out


def test_init_refuses_to_make_words_that_nobody_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east = Keyholder("east", tmp_path)
    assert east.run_open("init", "--name", "east", "--network", "regtest", "--show-mnemonic") == INVALID
    assert "mnemonic" in error_line(capsys)
    assert not east.home.exists()


def test_init_refuses_a_home_that_has_a_key(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert north.init() == INVALID
    assert "home" in error_line(capsys)


def test_init_refuses_a_network_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east = Keyholder("east", tmp_path)
    words = east.write("words", words_of("east"))
    assert east.run_open("init", "--name", "east", "--network", "litecoin", "--mnemonic-file", words) == INVALID
    assert "network" in error_line(capsys)


def test_refuses_a_wrong_passphrase_without_repeating_it(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    wrong = north.write("wrong", "incorrect horse\n")
    assert north.run("record", "--passphrase-file", wrong) == REFUSED
    assert "incorrect horse" not in error_line(capsys)


def test_refuses_a_home_that_others_may_read(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    north.home.chmod(0o750)
    assert north.run_open("record") == INVALID
    assert "0700" in error_line(capsys)


def test_refuses_a_home_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Keyholder("nobody", tmp_path).run_open("record") == INVALID
    assert "init" in error_line(capsys)


def test_record_proves_the_account_key(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert north.run_open("record") == DONE
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"cosigner", "account_key", "chain", "public_key", "signature"}
    message = key_record_message(cosigner="north", account_key=found["account_key"], chain=found["chain"])
    key = coincurve.PublicKey(bytes.fromhex(found["public_key"]))
    assert key.verify(bytes.fromhex(found["signature"]), message, hasher=None)


def _consent(keyholder: Keyholder, world: World, records: list[dict[str, str]] | None = None) -> int:
    root = keyholder.write("root.json", json.dumps(world.root.to_json()))
    given = [record.to_json() for record in world.records] if records is None else records
    return keyholder.run_open("consent", "--root", root, "--records", keyholder.write("records", json.dumps(given)))


def test_consent_signs_the_keyset_and_the_root(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _consent(north, world) == DONE
    captured = capsys.readouterr()
    assert digest_code(world.root.hash) in captured.err
    answer = json.loads(captured.out)
    (consent,) = answer["consents"]
    assert consent["descriptor_hash"] == world.keyset.descriptor_hash
    others = [cosigner_key(name) for name in ("south", "east")]
    from custody.evidence.keysets import keyset_consent_message

    message = keyset_consent_message(world.keyset)
    given = [Signature(key.header.name, key.sign_statement(message)) for key in others]
    check_consents(world.keyset, (Signature("north", consent["signature"]), *given))
    member = world.keyset.cosigner("north")
    assert member
    assert member.verifies(bytes.fromhex(world.root.hash), answer["root_signature"]["signature"])


@pytest.mark.parametrize("tamper", ["missing", "forged", "other-key"])
def test_p077_consent_refuses_a_member_without_proof(
    north: Keyholder, world: World, tamper: str, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record.to_json() for record in world.records]
    if tamper == "missing":
        records.pop()
    elif tamper == "forged":
        records[1]["signature"] = records[2]["signature"]
    else:
        records[1] = {**records[1], "account_key": records[2]["account_key"]}
    capsys.readouterr()
    assert _consent(north, world, records) == REFUSED
    assert "keyset." in error_line(capsys)


def test_p077_consent_refuses_a_replaced_xpub_under_a_kept_fingerprint(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.adversarial.hostile import CASES
    from tests.adversarial.hostile_standing import p077_xpub_replaced_keeping_the_fingerprint_and_public_key as make

    assert make.__name__ in CASES
    case = make(world, None)  # type: ignore[arg-type]
    forged = north.write("root.json", json.dumps(case.bundle.trust_root.root.to_json()))
    records = north.write("records", json.dumps([record.to_json() for record in world.records]))
    capsys.readouterr()
    assert north.run_open("consent", "--root", forged, "--records", records) == INVALID
    assert "keyset.south.public_key" in error_line(capsys)


def test_consent_refuses_a_keyset_without_us(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert _consent(north, World(cosigners=("west", "south", "east"))) == INVALID
    assert "north" in error_line(capsys)


def test_pin_refuses_another_code_than_was_read_aloud(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    root = north.write("root.json", json.dumps(world.signed_root.to_json()))
    capsys.readouterr()
    code = digest_code("00" * 32)
    assert north.run("pin", "--root", root, "--fingerprint", code) == REFUSED
    assert "fingerprint" in error_line(capsys)


def test_pin_refuses_a_root_that_not_everybody_signed(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = {**world.signed_root.to_json(), "signatures": []}
    root = north.write("root.json", json.dumps(signed))
    capsys.readouterr()
    assert north.run("pin", "--root", root, "--fingerprint", digest_code(world.root.hash)) == REFUSED
    assert "has not signed" in error_line(capsys)


def test_a_newcomer_pins_the_version_before_its_keyset(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    west = Keyholder("west", tmp_path)
    west.init()
    root = west.write("root.json", json.dumps(world.signed_root.to_json()))
    code = digest_code(world.root.hash)
    capsys.readouterr()
    assert west.run("pin", "--root", root, "--fingerprint", code) == INVALID
    assert "no keyset" in error_line(capsys)
    assert west.run("pin", "--root", root, "--fingerprint", digest_code("00" * 32), "--newcomer") == REFUSED
    unsigned = west.write("unsigned.json", json.dumps({**world.signed_root.to_json(), "signatures": []}))
    assert west.run("pin", "--root", unsigned, "--fingerprint", code, "--newcomer") == REFUSED
    capsys.readouterr()
    assert west.run("pin", "--root", root, "--fingerprint", code, "--newcomer") == DONE


def test_nobody_is_a_newcomer_to_a_keyset_that_holds_its_key(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    root = north.write("root.json", json.dumps(world.signed_root.to_json()))
    capsys.readouterr()
    assert north.run("pin", "--root", root, "--fingerprint", digest_code(world.root.hash), "--newcomer") == INVALID
    assert "newcomer" in error_line(capsys)


def test_pin_refuses_a_second_root(pinned: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert pinned.pin(World(requesters=("exchange", "other"))) == REFUSED
    assert "pinned already" in error_line(capsys)


def test_init_never_overwrites_a_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east, backup = Keyholder("east", tmp_path), tmp_path / "backup"
    backup.write_text("older words")
    arguments = ("init", "--name", "east", "--network", "regtest", "--scrypt-log2n", "12")
    assert east.run_open(*arguments, "--backup-file", str(backup)) == INVALID
    assert "backup" in error_line(capsys)
    assert backup.read_text() == "older words"
    assert not (east.home / "key.json").exists()


@pytest.mark.parametrize("source", ["missing", "empty", "prompt"])
def test_a_passphrase_must_come_from_somewhere(
    north: Keyholder, source: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    north.write("empty", "\n")
    monkeypatch.setattr("custody.cosigner.prompting.is_person_there", lambda: False)
    capsys.readouterr()
    given = source if source == "prompt" else str(north.directory / source)
    assert north.run("record", "--passphrase-file", given) == INVALID
    assert "passphrase" in error_line(capsys)


def test_a_new_passphrase_is_typed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["one passphrase", "another passphrase", "one passphrase", "one passphrase"])
    monkeypatch.setattr("custody.cosigner.prompting.is_person_there", lambda: True)
    monkeypatch.setattr("custody.cosigner.prompting.getpass.getpass", lambda _prompt: next(typed))
    east = Keyholder("east", tmp_path)
    words = east.write("words", words_of("east"))
    arguments = ("init", "--name", "east", "--network", "regtest", "--scrypt-log2n", "12", "--mnemonic-file", words)
    assert [east.run(*arguments) for _ in range(2)] == [INVALID, DONE]


def test_consent_refuses_records_that_are_no_list(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    root = north.write("root.json", json.dumps(world.root.to_json()))
    capsys.readouterr()
    assert north.run_open("consent", "--root", root, "--records", north.write("records", "{}")) == INVALID
    assert "records" in error_line(capsys)
