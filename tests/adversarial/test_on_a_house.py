"""Cases that need no database to be refused, tried here on a real house: real rows, node, cosigners and doors.

One house for the module. Each case leaves its mark or none, and ends in the whole check.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from embit import bip32, bip39
from embit.networks import NETWORKS
from sqlalchemy import text

from custody.addresses.export import VaultExport, export
from custody.chains.addressing import KeysetRefused
from custody.chains.bitcoin.offline.descriptor import open_descriptor, strip_checksum, with_checksum
from custody.chains.bitcoin.offline.keys import AccountKey
from custody.chains.bitcoin.offline.psbt import parse_psbt
from custody.chains.bitcoin.offline.psbt.maps import IN_PREVIOUS, IN_SIGHASH, IN_WITNESS_UTXO, MAGIC
from custody.chains.bitcoin.offline.transaction import (
    Transaction,
    TransactionInput,
    TransactionOutput,
    compact_size,
    write_output,
)
from custody.chains.bitcoin.terms import terms_of
from custody.cosigner.answering import Signed
from custody.cosigner.craft import KeysetContradicts
from custody.cosigner.enrolment import consent
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle
from custody.evidence.keysets import Keyset, KeysetCosigner, ProofRefused, keyset_consent_message
from custody.evidence.signatures import Signature
from custody.kernel.errors import CustodyError, InvalidInput
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries
from custody.withdrawals.model import Withdrawal
from tests.adversarial.hostile import new_field
from tests.adversarial.lying import LyingProxy, thief
from tests.cosigner.builders import REGTEST, World, cosigner_key, tamper, words_of
from tests.integration.api.callers import As, Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.support.oracle import plays
from tests.support.road import Road, btc
from tests.support.servers import Servers
from tests.support.world import consents

PATIENCE_SECONDS = 2.0
"""Within which garbage is refused."""
AMOUNT_SAT = 500_000
COINS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cosigners keep their memories."""
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def wire(servers: Servers) -> Iterator[LyingProxy]:
    """Between the house and its node."""
    with LyingProxy(servers.bitcoind().port) as wire:
        yield wire


@pytest.fixture(scope="module")
def house(servers: Servers, wire: LyingProxy, folder: Path) -> Iterator[Road]:
    """A house with one client whose money lies in many coins."""
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    url = node.url.replace(f":{node.port}", f":{wire.port}")
    house = Road.build(database, node, folder, node_url=url)
    house.open("acme")
    house.stock(house.vaults["acme"], COINS)
    addresses = [house.address("acme").address for _ in range(COINS)]
    node.fund().rpc("sendmany", "", dict.fromkeys(addresses, "0.04000000"))
    house.mine(3)
    assert house.balance("acme") == (COINS * btc("0.04"), 0)
    yield house
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def call_as(house: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    with serving(house, tmp_path_factory.mktemp("api")) as client:
        yield lambda name: Caller(client, name)


@pytest.fixture
def composed(house: Road) -> Withdrawal:
    """A withdrawal whose bundle is open; nobody was given it."""
    asked = house.ask("acme", AMOUNT_SAT, max_fee=100_000)
    house.settle(cosigners=())
    assert house.state(asked) == "awaiting_signatures"
    return asked


def document_of(house: Road, withdrawal: Withdrawal) -> dict[str, Any]:
    """The bundle of its only attempt, as it is stored."""
    (attempt,) = house.attempts(withdrawal)
    ((document,),) = house.rows("SELECT document FROM bundles WHERE attempt_id = :a", a=attempt.id)
    return dict(document)


def rewrite_bundle(house: Road, withdrawal: Withdrawal, psbt: str) -> None:
    """The thief puts another PSBT into the stored bundle, and its digest beside it."""
    document = {**document_of(house, withdrawal), "psbt": psbt}
    change = "UPDATE bundles SET document = CAST(:document AS jsonb), digest = :digest WHERE id = :id"
    values = {"document": json.dumps(document), "digest": Bundle.parse(document).digest, "id": document["id"]}
    with thief(house.database) as connection:
        assert connection.execute(text(change), values).rowcount == 1


def signed_by(house: Road) -> list[int]:
    """How many answers each cosigner's memory holds as signed."""
    return [sum(entry.kind == "signed" for entry in memory.log()) for memory in house.memories]


def expect_refused_by_cosigners(house: Road, withdrawal: Withdrawal, reason: Reason, signed: list[int]) -> None:
    """Each cosigner that was asked refused for ``reason``; nobody signed; the money is the client's again."""
    (attempt,) = house.attempts(withdrawal)
    found = house.rows(
        "SELECT a.verdict, a.refusal -> 'refusal' ->> 'reason' FROM bundle_answers a JOIN bundles b"
        " ON b.id = a.bundle_id WHERE b.attempt_id = :a",
        a=attempt.id,
    )
    assert len(found) >= 2
    assert {tuple(row) for row in found} == {("refused", reason.value)}
    assert signed_by(house) == signed
    assert house.state(withdrawal) == "failed"
    assert house.balance("acme")[1] == 0


Change = Callable[[Road, str], str]
"""From the honest PSBT of the house to what the thief puts in its place."""


def _last_output(house: Road, psbt: str, **changes: Any) -> str:
    def edit(found: Transaction) -> Transaction:
        *others, change = found.outputs
        return replace(found, outputs=(*others, replace(change, **changes)))

    return tamper(psbt, transaction=edit)


def _foreign_change(house: Road, psbt: str) -> str:
    return _last_output(house, psbt, script_pubkey=b"\x00\x20" + b"\x66" * 32)


def _change_with_one_key_of_ours(house: Road, psbt: str) -> str:
    branch = int(house.vaults["acme"].rpartition("/")[2])
    foreign = World(cosigners=("north", "mallory", "eve")).branch(branch).derive(change=True, index=0)
    return _last_output(house, psbt, script_pubkey=foreign.script_pubkey)


def _sighash(kind: int) -> Change:
    return lambda _house, psbt: tamper(psbt, **new_field(IN_SIGHASH, kind.to_bytes(4, "little")))


def _no_previous(_house: Road, psbt: str) -> str:
    return tamper(psbt, **new_field(IN_PREVIOUS, None))


def _other_previous(_house: Road, psbt: str) -> str:
    return tamper(psbt, **new_field(IN_PREVIOUS, World().coin(7, 4_000_000).previous.raw))


def _smaller_coin(_house: Road, psbt: str) -> str:
    def edit(_place: int, fields: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        said = fields[bytes([IN_WITNESS_UTXO])]
        amount_sat, script = int.from_bytes(said[:8], "little"), said[9:]
        return {**fields, bytes([IN_WITNESS_UTXO]): write_output(TransactionOutput(amount_sat - 100_000, script))}

    return tamper(psbt, inputs=edit)


def _change_as_fee(house: Road, psbt: str) -> str:
    change = parse_psbt(psbt).maps.unsigned.outputs[-1]
    return _last_output(house, psbt, amount_sat=change.amount_sat - 2_000_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(_foreign_change, Reason.CHANGE_NOT_OURS, id="p072-foreign-script", marks=plays("P-072")),
        pytest.param(
            _change_with_one_key_of_ours, Reason.CHANGE_NOT_OURS, id="p072-one-key-of-ours", marks=plays("P-072")
        ),
        pytest.param(_sighash(2), Reason.SIGHASH_NOT_ALL, id="p073-none", marks=plays("P-073")),
        pytest.param(_sighash(3), Reason.SIGHASH_NOT_ALL, id="p073-single", marks=plays("P-073")),
        pytest.param(_sighash(0x81), Reason.SIGHASH_NOT_ALL, id="p073-anyone-can-pay", marks=plays("P-073")),
        pytest.param(_no_previous, Reason.INPUT_AMOUNT_UNPROVEN, id="p074-missing", marks=plays("P-074")),
        pytest.param(_other_previous, Reason.INPUT_AMOUNT_UNPROVEN, id="p074-of-another-coin", marks=plays("P-074")),
        pytest.param(_smaller_coin, Reason.INPUT_AMOUNT_UNPROVEN, id="p074-smaller-amount", marks=plays("P-074")),
        pytest.param(_change_as_fee, Reason.FEE_OVER_CAP, id="p076-fee-over-caps", marks=plays("P-076")),
    ],
)
def test_cosigners_refuse_a_bundle_rewritten_in_the_database(
    house: Road, composed: Withdrawal, change: Change, reason: Reason
) -> None:
    before, signed = sum(house.balance("acme")), signed_by(house)
    rewrite_bundle(house, composed, change(house, document_of(house, composed)["psbt"]))
    house.settle()
    expect_refused_by_cosigners(house, composed, reason, signed)
    assert house.balance("acme") == (before, 0)
    house.check()


def _psbt(unsigned: Transaction, *, tail: bytes | None = None) -> str:
    raw = unsigned.stripped
    ends = b"\0" * (len(unsigned.inputs) + len(unsigned.outputs)) if tail is None else tail
    return base64.b64encode(MAGIC + b"\x01\x00" + compact_size(len(raw)) + raw + b"\0" + ends).decode()


ENTRY = TransactionInput("11" * 32, 0, b"", 0xFFFFFFFD)
PAY = TransactionOutput(1_000, b"\x00\x14" + b"\x66" * 20)
SIGHASH = b"\x01\x03\x04\x01\0\0\0"


@plays("P-083")
@pytest.mark.parametrize(
    "psbt",
    [
        pytest.param("cHNidP8garbage", id="garbage"),
        pytest.param(_psbt(Transaction(2, (ENTRY,), (PAY,), 0), tail=SIGHASH * 2 + b"\0\0"), id="duplicate-keys"),
        pytest.param(_psbt(Transaction(2, (), (PAY,), 0)), id="no-inputs"),
        pytest.param(_psbt(Transaction(2, (ENTRY,), (PAY,) * 10_000, 0)), id="ten-thousand-outputs"),
    ],
)
def test_p083_a_hostile_psbt_is_refused_by_the_api_and_by_each_cosigner(
    house: Road, composed: Withdrawal, call_as: As, psbt: str
) -> None:
    before, signed = sum(house.balance("acme")), signed_by(house)
    name = document_of(house, composed)["id"]
    for cosigner in ("north", "south"):
        call_as(cosigner).get(f"/v1/bundles?cosigner={cosigner}")
    rows = house.row_counts()
    started = time.monotonic()
    answer = call_as("north").post(f"/v1/bundles/{name}/signatures", {"cosigner": "north", "psbt": psbt})
    assert time.monotonic() - started < PATIENCE_SECONDS
    expect_problem(answer, 422, "psbt-refused", "psbt")
    assert house.row_counts() == rows

    rewrite_bundle(house, composed, psbt)
    started = time.monotonic()
    house.cosign("north", "south")
    assert time.monotonic() - started < 2 * PATIENCE_SECONDS
    house.settle()
    expect_refused_by_cosigners(house, composed, Reason.PSBT_MALFORMED, signed)
    assert house.balance("acme") == (before, 0)
    house.check()


@plays("P-041")
def test_p041_whatever_the_node_says_about_fees_is_held_between_floor_and_cap(house: Road, wire: LyingProxy) -> None:
    rules = terms_of(house.runtime.only.spend_rules)
    told = {
        "0": rules.fallback_sat_kvb,
        "-1": rules.fallback_sat_kvb,
        "NaN": rules.fallback_sat_kvb,
        "0.00000001": rules.floor_sat_kvb,
        "10000.0": rules.cap_sat_kvb,
    }
    asked: list[Withdrawal] = []
    for estimate, rate_sat_kvb in told.items():
        with wire.estimating(estimate):
            asked.append(house.ask("acme", 4 * AMOUNT_SAT, max_fee=200_000))
            house.settle()
            assert wire.lied > 0, "nobody asked for an estimate"
        (attempt,) = house.attempts(asked[-1])
        assert attempt.state == "sent"
        assert attempt.fee_units == pytest.approx(rate_sat_kvb * attempt.weight / 1000, abs=2), estimate
        assert attempt.fee_units <= rules.caps.absolute_sat
    with wire.estimating("10000.0"):
        refused = house.ask("acme", 4 * AMOUNT_SAT, max_fee=20_000)
        house.settle()
    expect_waits_for_the_fee(house, refused, "ceiling")
    house.cancel(refused.id)
    house.mine(2)
    assert {house.state(one) for one in asked} == {"completed"}
    house.check()


@plays("P-076")
@pytest.mark.parametrize(("cap", "amount_sat", "max_fee"), [("share", 5_000, 20_000), ("ceiling", AMOUNT_SAT, 100)])
def test_p076_a_fee_over_its_cap_is_refused_when_it_is_built(
    house: Road, wire: LyingProxy, cap: str, amount_sat: int, max_fee: int
) -> None:
    before = house.balance("acme")
    asked = house.ask("acme", amount_sat, max_fee=max_fee)
    with wire.estimating("0.00010000"):
        house.settle()
    expect_waits_for_the_fee(house, asked, cap)
    house.cancel(asked.id)
    assert house.balance("acme") == before
    house.check()


def expect_waits_for_the_fee(house: Road, withdrawal: Withdrawal, cap: str) -> None:
    """Nothing was composed for it, and it says that this cap on its fee is why."""
    found = house.see(withdrawal)
    assert (found.state, house.attempts(withdrawal)) == ("approved", [])
    assert found.waiting_for is not None
    assert f"above the {cap} cap" in found.waiting_for


def _forged(keyset: Keyset, *, point: bool) -> Keyset:
    """``keyset`` with south's xpub replaced under its own fingerprint; the ``point`` beside it too, or not."""
    south, stranger = keyset.cosigners[1], cosigner_key("stranger").header.account_key
    known = AccountKey.parse(south.account_key, network=REGTEST)
    key = replace(known, xpub=stranger.xpub)
    member = KeysetCosigner("south", key.text, stranger.public_key.hex() if point else south.public_key)
    descriptor = strip_checksum(keyset.descriptor).replace(south.account_key, key.text)
    keys = [AccountKey.parse(one.account_key, network=REGTEST) for one in (keyset.cosigners[0], keyset.cosigners[2])]
    built = open_descriptor(threshold=keyset.threshold, keys=[keys[0], key, keys[1]])
    assert strip_checksum(built) == descriptor
    return replace(
        keyset, id="kst_forged", cosigners=(keyset.cosigners[0], member, keyset.cosigners[2]), descriptor=built
    )


def expect_not_registered(
    house: Road, keyset: Keyset, signatures: tuple[Signature, ...], error: type[CustodyError], match: str
) -> None:
    """Registering refuses it for that reason and writes nothing."""
    before = house.row_counts()
    with pytest.raises(error, match=match), house.db.unit() as unit:
        vaults.register_keyset(unit.session, keyset=keyset, consents=signatures, actor="thief", now=unit.now)
    assert house.row_counts() == before


@plays("P-077")
def test_p077_an_xpub_replaced_under_its_fingerprint_is_never_registered(house: Road) -> None:
    honest = house.ceremony
    expect_not_registered(house, _forged(honest.keyset, point=False), consents(honest), KeysetRefused, "south")
    forged = _forged(honest.keyset, point=True)
    expect_not_registered(house, forged, consents(honest), ProofRefused, "north")
    message = keyset_consent_message(forged)
    own = Signature("south", cosigner_key("stranger").sign_statement(message))
    mixed = tuple(own if given.key == "south" else given for given in consents(honest))
    expect_not_registered(house, forged, mixed, ProofRefused, "north")
    root = replace(honest.root, keysets=(forged,))
    for name in ("north", "east"):
        with pytest.raises((KeysetContradicts, ProofRefused)):
            consent(cosigner_key(name), root, honest.records)
    house.check()


@plays("P-077")
def test_p077_an_xpub_replaced_in_the_registered_keyset_gives_no_address(house: Road, call_as: As) -> None:
    stored, forged = house.ceremony.keyset, replace(_forged(house.ceremony.keyset, point=True), id="kst_demo")
    put = "UPDATE keysets SET document = CAST(:document AS jsonb), descriptor_hash = :hash WHERE id = :id"
    issued = house.rows("SELECT count(*) FROM addresses WHERE state = 'issued'")
    for keyset in (forged, stored):
        values = {"document": json.dumps(keyset.to_json()), "hash": keyset.descriptor_hash, "id": keyset.id}
        with thief(house.database) as connection:
            assert connection.execute(text(put), values).rowcount == 1
        if keyset is forged:
            answer = call_as("exchange").post("/v1/clients/acme/addresses", {})
            expect_problem(answer, 500, "keyset-tampered")
    assert "keyset-tampered" in house.alarms()
    assert house.rows("SELECT count(*) FROM addresses WHERE state = 'issued'") == issued
    house.check()


@plays("P-078")
def test_p078_no_other_script_order_or_threshold_is_registered_or_imported(house: Road) -> None:
    world, keyset = house.ceremony, replace(house.ceremony.keyset, id="kst_other")
    body = strip_checksum(keyset.descriptor)
    for other in (body.replace("sortedmulti", "multi"), body.replace("multi(2", "multi(3")):
        wrong = replace(keyset, descriptor=with_checksum(other))
        expect_not_registered(house, wrong, _all_consent(world, wrong), KeysetRefused, "descriptor")
    keys = [cosigner_key(name).header.account_key for name in reversed(world.cosigners)]
    turned = replace(keyset, cosigners=keyset.cosigners[::-1], descriptor=open_descriptor(threshold=2, keys=keys))
    expect_not_registered(house, turned, consents(world), ProofRefused, "has not signed")
    turned = replace(keyset, descriptor=open_descriptor(threshold=2, keys=keys))
    expect_not_registered(house, turned, _all_consent(world, turned), KeysetRefused, "descriptor")

    with house.db.unit() as unit:
        (exported,) = export(unit.session)
    document = exported.to_json()
    multi = {
        name: with_checksum(strip_checksum(document[name]).replace("sortedmulti", "multi"))
        for name in ("descriptor", "receive", "change")
    }
    with pytest.raises(InvalidInput, match="multi"):
        VaultExport.parse({**document, **multi})
    house.check()


@plays("P-078")
def test_p078_a_thousand_addresses_of_its_vault_are_bitcoin_cores(house: Road) -> None:
    with house.db.unit() as unit:
        (exported,) = export(unit.session)
        vault = vault_queries.get(unit.session, vault=house.vaults["acme"])
        source = vault_queries.source_of(unit.session, vault=vault)
    for change, theirs in ((False, exported.receive), (True, exported.change)):
        by_node = house.node.rpc("deriveaddresses", theirs, [0, 999])
        ours = [source.derive(client=None, change=change, index=index).address for index in range(1000)]
        assert ours == by_node
        stored = house.rows(
            "SELECT index, address FROM addresses WHERE vault_id = :v AND change = :c", v=vault.id, c=change
        )
        assert stored
        assert all(by_node[row.index] == row.address for row in stored)
    house.check()


def _all_consent(world: World, keyset: Keyset) -> tuple[Signature, ...]:
    """Every cosigner's signature on whatever descriptor it says: a careless quorum."""
    message = keyset_consent_message(keyset)
    return tuple(Signature(name, cosigner_key(name).sign_statement(message)) for name in world.cosigners)


def _private_forms(key: bip32.HDKey) -> set[bytes]:
    """Every spelling in which a private key might leave: raw, hex, base64, WIF, and as an extended key."""
    secret = key.key.secret
    texts = {secret.hex(), base64.b64encode(secret).decode(), key.key.wif(NETWORKS["regtest"]), key.to_base58()}
    return {secret, *(spelling.lower().encode() for spelling in texts)}


def _emitted(house: Road, answers: list[Signed], documents: list[str]) -> bytes:
    """Whatever left a cosigner or the house: rows, bundles, answers, exports, and every PSBT taken out of base64."""
    with house.db.unit() as unit:
        exported = [json.dumps(item.to_json()) for item in export(unit.session)]
        names = (
            unit.session.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
            )
            .scalars()
            .all()
        )
        rows = [str(row) for name in names for row in unit.session.execute(text(f'SELECT t::text FROM "{name}" t'))]
    texts = "\n".join([*rows, *exported, *documents, *(answer.signed for answer in answers)])
    packed = [parse_psbt(answer.signed).raw for answer in answers]
    packed += [parse_psbt(row.unsigned).raw for row in house.rows("SELECT unsigned FROM attempts")]
    return texts.lower().encode() + b"".join(packed)


@plays("P-079")
def test_p079_no_child_private_key_of_an_exported_xpub_leaves_anywhere(house: Road, call_as: As, folder: Path) -> None:
    """One child private key and the exported xpub give the cosigner's account key away: none may be emitted."""
    asked = house.ask("acme", AMOUNT_SAT)
    house.settle(cosigners=())
    documents = [call_as(name).get(f"/v1/bundles?cosigner={name}").text for name in ("north", "south")]
    answers = [answer for name in ("north", "south") for answer in house.cosign(name)]
    assert all(isinstance(answer, Signed) for answer in answers)
    house.settle()
    house.mine(2)
    assert house.state(asked) == "completed"
    documents += [
        call_as("auditor").get(path).text
        for path in ("/v1/clients/acme", "/v1/clients/acme/deposits", f"/v1/withdrawals/{asked.id}")
    ]
    emitted = _emitted(house, [answer for answer in answers if isinstance(answer, Signed)], documents)
    emitted += b"".join(path.read_bytes() for path in folder.glob("*.sqlite*"))

    branch = int(house.vaults["acme"].rpartition("/")[2])
    places = house.rows("SELECT change, index FROM addresses WHERE vault_id = :v", v=house.vaults["acme"])
    seen = 0
    for name in house.ceremony.cosigners:
        master = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of(name)), version=NETWORKS["regtest"]["xprv"])
        account = master.derive("m/48h/1h/0h/2h")
        private = [master, account, account.derive([branch])]
        private += [account.derive([branch, int(row.change), row.index]) for row in places]
        for key in private:
            assert not any(form in emitted for form in _private_forms(key)), f"a private key of {name}"
            seen += key.key.get_public_key().sec() in emitted
    assert seen >= 3, "the search cannot find what is there"
    house.check()
