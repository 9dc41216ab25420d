"""The program with a key for Safes: joining, pinning, showing, signing from a file, limits; and texts that are none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import coincurve
import pytest

from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.limits import Limits, parse_settings
from custody.cosigner.memory import Memory
from custody.cosigner.networks import network_named, read_account
from custody.evidence.bundle import Bundle, HandedIn, answer_field
from custody.evidence.keysets import check_consents, key_record_message, keyset_consent_message
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import BTC, NOW, World, cosigner_key, remember
from tests.cosigner.keyholder import DONE, INVALID, REFUSED, Keyholder, error_line
from tests.cosigner.safe_builders import ETHER, NATIVE, SafeWorld, safe_key, sign_safe_root, somebody


@pytest.fixture(scope="module")
def safes() -> SafeWorld:
    return SafeWorld(now=datetime.now(UTC))


@pytest.fixture
def owner(tmp_path: Path) -> Keyholder:
    keyholder = Keyholder("north-safe", tmp_path, "anvil")
    assert keyholder.init() == DONE
    return keyholder


@pytest.fixture
def ready(owner: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]) -> Keyholder:
    assert owner.pin(safes) == DONE
    capsys.readouterr()
    return owner


def test_init_says_the_account_as_the_daemon_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Keyholder("north-safe", tmp_path, "anvil").init() == DONE
    out = capsys.readouterr().out
    account = safe_key("north-safe").header.account_key
    assert f"account key [{account.fingerprint}/44h/60h/0h/0/0]0x" in out
    assert account.text in out


def test_derives_the_bip44_account_that_other_wallets_derive(tmp_path: Path) -> None:
    # BIP-39's reference words; the address at m/44'/60'/0'/0/0 as wallets show it.
    keyholder = Keyholder("known", tmp_path, "ethereum")
    words = keyholder.write("words", " ".join(["abandon"] * 11 + ["about"]))
    arguments = ("init", "--name", "known", "--network", "ethereum", "--scrypt-log2n", "12", "--mnemonic-file", words)
    assert keyholder.run_open(*arguments) == DONE
    stored = json.loads((keyholder.home / "key.json").read_text())
    assert stored["account_key"] == "[73c5da0a/44h/60h/0h/0/0]0x9858EfFD232B4033E47d90003D41EC34EcaEda94"


@pytest.mark.parametrize(
    ("network", "says"), [("eip155:324", "zkSync"), ("litecoin", "anvil"), ("eip155:31338", "no such network")]
)
def test_init_refuses_networks_without_safes_of_ours(
    tmp_path: Path, network: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    east = Keyholder("east", tmp_path, network)
    assert east.init() == INVALID
    assert says in error_line(capsys)
    assert not east.home.exists()


def test_record_and_consent_prove_the_owners_key(
    owner: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert owner.run_open("record") == DONE
    found = json.loads(capsys.readouterr().out)
    assert found == safes.safe_records[0].to_json()
    message = key_record_message(cosigner="north-safe", account_key=found["account_key"], chain=found["chain"])
    point = coincurve.PublicKey(bytes.fromhex(found["public_key"]))
    assert point.verify(bytes.fromhex(found["signature"]), message, hasher=None)

    records = owner.write("records", json.dumps([record.to_json() for record in safes.safe_records]))
    root = owner.write("root.json", json.dumps(safes.root.to_json()))
    assert owner.run_open("consent", "--root", root, "--records", records) == DONE
    captured = capsys.readouterr()
    assert "kst_demo: 2 of 3" in captured.err
    assert "kst_safes: 2 of 3 (north-safe, south-safe, east-safe)" in captured.err
    (consent,) = json.loads(captured.out)["consents"]
    assert consent["keyset"] == safes.safe_keyset.id, "the keyset of the other chain is not ours to sign"
    others = [
        Signature(name, safe_key(name).sign_statement(keyset_consent_message(safes.safe_keyset)))
        for name in ("south-safe", "east-safe")
    ]
    check_consents(safes.safe_keyset, (Signature("north-safe", consent["signature"]), *others))


def test_consent_refuses_an_owner_that_is_not_its_point(
    owner: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = safes.safe_keyset.cosigners
    forged = replace(second, account_key=second.account_key[:-42] + somebody("thief"))
    root = replace(
        safes.root,
        keysets=(safes.root.keysets[0], replace(safes.safe_keyset, cosigners=(first, forged, third))),
    )
    records = owner.write("records", json.dumps([record.to_json() for record in safes.safe_records]))
    capsys.readouterr()
    path = owner.write("root.json", json.dumps(root.to_json()))
    assert owner.run_open("consent", "--root", path, "--records", records) == INVALID
    assert "keyset.south-safe.public_key" in error_line(capsys)


def test_shows_and_signs_from_a_file(ready: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = safes.ether()
    path = ready.write("bundle", json.dumps(bundle.to_json()))
    assert ready.run("show", path) == DONE
    assert f"Pay 1.000000000000000000 ETH to {somebody('payee')}" in capsys.readouterr().out
    assert ready.run_open("sign", path, "--yes") == DONE
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert answer == {
        "bundle": "bnd_1",
        "cosigner": "north-safe",
        "signature": safe_key("north-safe").sign_safe_tx(UnsignedSafeTx.parse(bundle.unsigned)),
    }
    assert f"signed, transaction {UnsignedSafeTx.parse(bundle.unsigned).spend}" in captured.err
    assert ready.run("log") == DONE
    entry = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (entry["kind"], entry["claims"]) == ("signed", {f"{safes.safe('acme')}#0": "0"})


def test_refuses_from_a_file(ready: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    path = ready.write("bundle", json.dumps(safes.ether(gas_price=1).to_json()))
    assert ready.run_open("sign", path, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "refund"


def test_sets_limits_for_an_asset(ready: Keyholder, safes: SafeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert ready.run("limits", "--set", f"per_tx_units.ETH={ETHER - 1},clock_skew_seconds=60") == DONE
    assert f"per_tx_units.ETH {ETHER - 1}" in capsys.readouterr().out
    path = ready.write("bundle", json.dumps(safes.ether().to_json()))
    assert ready.run_open("sign", path, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "over-own-limit"
    assert ready.run("limits", "--set", "per_tx_units.ETH=none") == DONE
    assert "per_tx_units" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "settings", ["per_tx_units=5", "per_tx_units.=5", "per_tx_units.ETH=0.5", "per_tx_units.a b=5"]
)
def test_refuses_limits_that_are_none(settings: str) -> None:
    with pytest.raises(InvalidInput, match="limits"):
        Limits().changed(parse_settings(settings))


def test_reads_limits_of_before_there_were_other_assets() -> None:
    stored = {"per_tx_sat": 5, "per_day_sat": None, "max_fee_sat": 1, "max_fee_rate_sat_kvb": 2}
    found = Limits.from_json({**stored, "max_fee_share_bps": 3, "clock_skew_seconds": 4, "bundle_age_seconds": 5})
    assert (found.per_tx_sat, found.per_day_sat, found.bundle_age_seconds) == (5, None, 5)
    assert found.per_tx(World().root.assets[0]) == 5
    assert found.per_tx(NATIVE) is None


def test_reads_a_memory_of_before_there_were_other_chains(world: World, memory: Memory) -> None:
    """What an older program wrote still keeps a coin, an intent and the day's sum."""
    verdict = world.judge(world.small(), memory)
    remember(memory, verdict)
    new = verdict.memory
    ((claim, amount),) = new.claims.items()
    txid, _, vout = claim.partition(":")
    (intent,) = new.intents
    body = {
        "txid": new.spend,
        "bundle": new.bundle,
        "attempt": new.attempt,
        "bundle_digest": new.bundle_digest,
        "at": rfc3339(NOW),
        "inputs": [[txid, int(vout), amount]],
        "outputs": [list(output) for output in new.outputs],
        "fee_sat": new.fee_units,
        "intents": [
            {
                "digest": intent.digest,
                "request_digest": intent.request_digest,
                "amount_sat": intent.units,
                "facts": dict(intent.facts),
            }
        ],
    }
    path = memory._row("PRAGMA database_list")[2]
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER signed_no_update")
        connection.execute("UPDATE signed SET body = ?", (canonical_json(body).decode(),))
    assert (
        memory.signed_since(NOW) == memory.signed_with_claim(claim) == memory.signed_for_intent(intent.digest) == [new]
    )
    assert new.intents[0].asset == world.root.assets[0].id
    other = world.payment(world.withdrawal("acme", BTC // 100), branch=7)
    psbt = world.transaction([other], [world.coin(7, 5_000_000, salt="other")], fee_sat=3_000)
    limits, bundle = Limits(per_day_sat=2_999_999), world.bundle([other], [], psbt, name="bnd_2")
    with pytest.raises(Exception, match="own limit"):
        world.judge(bundle, memory, limits=limits)


GOOD = SafeWorld().ether().unsigned
BAD_TEXTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda _: [],
    "field missing": lambda found: {name: found[name] for name in ("chain_id", "safe")},
    "field more": lambda found: {**found, "note": "x"},
    "chain as text": lambda found: {**found, "chain_id": "31337"},
    "chain as truth": lambda found: {**found, "chain_id": True},
    "chain as list": lambda found: {**found, "chain_id": [31337]},
    "no such chain": lambda found: {**found, "chain_id": 31338},
    "zkSync": lambda found: {**found, "chain_id": 324},
    "safe in lower case": lambda found: {**found, "safe": found["safe"].lower()},
    "safe as number": lambda found: {**found, "safe": 5},
    "value as number": lambda found: {**found, "safe_tx": {**found["safe_tx"], "value": 5}},
    "value over a word": lambda found: {**found, "safe_tx": {**found["safe_tx"], "value": str(2**256)}},
    "operation two": lambda found: {**found, "safe_tx": {**found["safe_tx"], "operation": 2}},
    "odd data": lambda found: {**found, "safe_tx": {**found["safe_tx"], "data": "0x1"}},
    "capital data": lambda found: {**found, "safe_tx": {**found["safe_tx"], "data": "0xAB"}},
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_reads_no_other_text_than_the_one_form(name: str) -> None:
    assert UnsignedSafeTx.parse(GOOD).text == GOOD
    with pytest.raises(InvalidInput) as refused:
        UnsignedSafeTx.parse(canonical_json(BAD_TEXTS[name](json.loads(GOOD))).decode())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "null", GOOD + " ", GOOD.replace('"data"', '"data":"0x","data"')])
def test_reads_no_text_that_is_not_json_in_one_form(text: str) -> None:
    with pytest.raises(InvalidInput):
        UnsignedSafeTx.parse(text)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "bitcoin"}, "bundle.psbt"),
        ({"kind": "solana"}, "bundle.kind"),
        ({"kind": ["safe"]}, "bundle.kind"),
        ({"chain": World().chain}, "bundle.kind"),
        ({"chain": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"}, "bundle.chain"),
        ({"psbt": "cHNidP8="}, "bundle.psbt"),
    ],
)
def test_a_bundles_kind_is_its_chains(change: dict[str, Any], field: str) -> None:
    document = SafeWorld().ether().to_json()
    assert document["kind"] == "safe"
    assert Bundle.parse(document).to_json() == document
    with pytest.raises(InvalidInput) as refused:
        Bundle.parse({**document, **change})
    assert refused.value.field == field


def test_an_answer_stands_under_its_chains_field() -> None:
    assert (answer_field(NATIVE.chain), answer_field(World().chain)) == ("signature", "psbt")
    assert HandedIn.parse({"cosigner": "n", "signature": "0x"}) == HandedIn("n", "signature", "0x")
    for bad in (None, [], {}, {"cosigner": "n"}, {"cosigner": "n", "psbt": "", "signature": ""}):
        with pytest.raises(InvalidInput):
            HandedIn.parse(bad)
    with pytest.raises(InvalidInput):
        answer_field("solana:mainnet")


def test_a_name_stands_for_one_key_in_the_whole_root() -> None:
    world = SafeWorld()
    renamed = replace(world.safe_keyset.cosigners[0], id="north")
    keyset = replace(world.safe_keyset, cosigners=(renamed, *world.safe_keyset.cosigners[1:]))
    root = replace(world.root, keysets=(world.root.keysets[0], keyset))
    with pytest.raises(InvalidInput, match="north stands for two keys"):
        TrustRoot.parse(root.to_json())
    assert TrustRoot.parse(world.root.to_json()) == world.root
    assert sign_safe_root(world.root, world) == world.signed_root


@pytest.mark.parametrize("change", [{"code": "ETH"}, {"id": NATIVE.id}])
def test_a_code_stands_for_one_asset_of_a_chain(change: dict[str, Any]) -> None:
    root = SafeWorld().root
    twice = replace(root, assets=(*root.assets[:-1], replace(root.assets[-1], **change)))
    with pytest.raises(InvalidInput, match="two assets"):
        TrustRoot.parse(twice.to_json())


def test_knows_accounts_of_both_chains_by_their_network() -> None:
    for key in (safe_key("north-safe"), cosigner_key("north")):
        account, of = key.header.account_key, key.header.network
        assert network_named(of.name) == network_named(of.chain) == of
        assert read_account(account.text, of, field="key") == account
    with pytest.raises(InvalidInput):
        read_account(cosigner_key("north").header.account_key.text, network_named("anvil"), field="key")
    with pytest.raises(InvalidInput):
        read_account(safe_key("north-safe").header.account_key.text, network_named("regtest"), field="key")
