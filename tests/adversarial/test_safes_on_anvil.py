"""Attacks on Safes with API, console and database in the attacker's hands: the cosigners' own program judges.

The attacker serves the bundles. Everything people read in them (intents, approvals, decisions) is genuine; the bytes
are his. No signature comes out. On a real node it is shown what the same bytes do once a quorum has signed them, so
that no case is refused for a reason that does not matter. A house on a real database holds the same keyset; nothing of
it moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from embit import bip32, bip39
from eth_account import Account

from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.deployments import MULTI_SEND, MULTI_SEND_CALL_ONLY
from custody.chains.ethereum.offline.ecdsa import ORDER
from custody.chains.ethereum.offline.execution import SignedSafeTx, execute
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import SafeSetup, salt_nonce
from custody.chains.ethereum.offline.safe_tx import DELEGATE_CALL, SafeTx
from custody.chains.ethereum.offline.signatures import (
    OwnerSignatureRefused,
    assemble,
    check_signatures,
    parse_signature,
    recover_owner,
)
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.spending import AnswerRefused, Turn
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.signatures import Signature
from custody.kernel.errors import InvalidInput
from custody.reconciliation.stuck import Deadlines
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from demo.bitcoind import NodeRefused
from demo.servers import Anvil
from tests.adversarial.hostile_safes import calldata
from tests.cosigner.builders import words_of
from tests.cosigner.keyholder import DONE, Keyholder
from tests.cosigner.safe_builders import ANVIL, ETHER, SAFES, SafeWorld, safe_key, somebody
from tests.cosigner.stand_in import Daemon, standing_in
from tests.support.evm import Contract, at, deploy, deploy_token
from tests.support.oracle import expect_whole, plays
from tests.support.safes import Safe
from tests.support.servers import FreshDatabase, Servers

THIEF = somebody("thief")
TERMS = EthereumTerms(absolute_wei=10**17, rate_wei_gas=10**12, share_bps=10_000)
DEADLINES = {ANVIL.chain: Deadlines(600, 600, 600, 600, 600, 600, 600)}


@dataclass
class House:
    """A root with both keysets in force, and acme's Safe on a node with ether and tokens in it."""

    database: FreshDatabase
    anvil: Anvil
    world: SafeWorld
    token: Contract
    safe: Safe

    def expect_whole(self) -> None:
        """Nothing of the house moved."""
        expect_whole(self.database.db, terms={ANVIL.chain: TERMS}, deadlines=DEADLINES)

    def owner_signed(self, unsigned: UnsignedSafeTx) -> bytes:
        """A quorum's signatures, as they would be had the owners signed blindly."""
        raw = [bytes.fromhex(safe_key(name).sign_safe_tx(unsigned)[2:]) for name in self.world.owners[:2]]
        return assemble(unsigned.digest, raw, owners=self.world.setup.owners, threshold=2)

    def carry(self, unsigned: UnsignedSafeTx, signatures: bytes) -> dict[str, Any]:
        """Anybody executes it. Raises ``NodeRefused`` where the Safe reverts."""
        call = execute(SignedSafeTx(unsigned.safe, unsigned.tx, signatures))
        return self.anvil.transact(call.to, 0, call.data)

    def held(self, who: str) -> int:
        """Ether in wei."""
        return int(self.anvil.rpc("eth_getBalance", who, "latest"), 16)


@pytest.fixture(scope="module")
def built(servers: Servers) -> Iterator[House]:
    database, anvil = servers.fresh_database(), servers.fresh_anvil()
    token = deploy_token(anvil)
    world = SafeWorld(now=datetime.now(UTC), token=checksum_address(bytes.fromhex(token.address[2:])))
    with database.db.unit() as unit:
        trust.install(unit.session, signed=world.signed_root, policy_text=world.policy, actor="ceremony", now=unit.now)
        message = keyset_consent_message(world.safe_keyset)
        consents = tuple(Signature(name, safe_key(name).sign_statement(message)) for name in world.owners)
        vaults.register_keyset(
            unit.session, keyset=world.safe_keyset, consents=consents, actor="ceremony", now=unit.now
        )
    safe = Safe(
        anvil,
        [Account.from_key(_secret(name)) for name in world.owners],
        salt_nonce=salt_nonce(keyset=SAFES, client="acme", index=0, network=ANVIL),
    )
    assert safe.address == world.safe("acme"), "the test's own prediction"
    safe.deploy()
    anvil.transact(safe.address, 50 * ETHER)
    token.transact("transfer", safe.address, 10**12)
    yield House(database, anvil, world, token, safe)
    servers.discard(anvil)
    servers.drop(database)


@pytest.fixture
def house(built: House) -> Iterator[House]:
    """The house, with its node put back afterwards."""
    before = built.anvil.snapshot()
    yield built
    built.anvil.revert(before)


@dataclass
class Keyholders:
    """Three programs in homes of their own, and the API they believe nothing of."""

    everybody: tuple[Keyholder, ...]
    api: Daemon

    def asked(self, *bundles: Bundle) -> list[dict[str, str]]:
        """What each program hands in for these bundles: bundle to the refusal's reason, or to its signature."""
        said = []
        for keyholder in self.everybody:
            self.api.bundles, self.api.taken = [bundle.to_json() for bundle in bundles], []
            keyholder.fetch(self.api.url)
            said.append({path.split("/")[3]: _said(body) for path, body in self.api.taken})
        return said

    def expect_refused(self, cases: dict[str, tuple[Reason, Bundle]]) -> None:
        """Every program refuses every bundle for the reason given, and signed none of them."""
        named = {name: replace(bundle, id=name, attempt=f"att_{name}") for name, (_, bundle) in cases.items()}
        reasons = {name: str(reason.value) for name, (reason, _) in cases.items()}
        assert self.asked(*named.values()) == [reasons] * len(self.everybody)
        attempts = {bundle.attempt for bundle in named.values()}
        for keyholder in self.everybody:
            log = Memory.open(keyholder.home / "memory.sqlite").log()
            assert not [entry for entry in log if entry.kind == "signed" and entry.body["attempt"] in attempts]


@pytest.fixture
def keyholders(house: House, tmp_path: Path) -> Iterator[Keyholders]:
    with standing_in() as api:
        everybody = tuple(Keyholder(name, tmp_path, "anvil") for name in house.world.owners)
        for keyholder in everybody:
            assert keyholder.init() == DONE
            assert keyholder.pin(house.world) == DONE
        yield Keyholders(everybody, api)


def _said(body: dict[str, Any]) -> str:
    return str(body["signature"]) if "cosigner" in body else str(body["refusal"]["reason"])


def _secret(name: str) -> bytes:
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of(name)))
    secret: bytes = root.derive("m/44h/60h/0h/0/0").key.secret
    return secret


def swapped(bundle: Bundle, tx: SafeTx, *, safe: str | None = None) -> Bundle:
    """The bundle with other bytes to sign; all that people read stays."""
    unsigned = UnsignedSafeTx.parse(bundle.unsigned)
    return replace(bundle, unsigned=replace(unsigned, tx=tx, safe=safe or unsigned.safe).text)


def of(bundle: Bundle) -> UnsignedSafeTx:
    """What it asks to have signed."""
    return UnsignedSafeTx.parse(bundle.unsigned)


def large(house: House, nonce: int = 0) -> Bundle:
    """Six ether that two operators approved."""
    return house.world.ether(6 * ETHER, nonce=nonce, approvers=("alice", "bob"))


def own_call(house: House, function: str, *arguments: Any) -> SafeTx:
    """A call of acme's Safe to itself."""
    return SafeTx(to=house.safe.address, value=0, data=house.safe.contract.calldata(function, *arguments), nonce=0)


# Bybit, February 2025: the screen shows a transfer, the bytes are a delegatecall that writes the singleton's slot.


@plays("P-084")
def test_bybit_a_transfer_on_the_screen_and_a_new_singleton_in_the_bytes(house: House, keyholders: Keyholders) -> None:
    impostor = deploy(house.anvil, "ImpostorSingleton", THIEF).address
    trojan = deploy(house.anvil, "SlotOverwriter")
    data = trojan.calldata("transfer", impostor, 0)
    tx = SafeTx(to=trojan.address, value=0, data=data, operation=DELEGATE_CALL, nonce=0)
    shown = large(house)
    attack = swapped(shown, tx)
    assert attack.payments == shown.payments, "people read the same"
    keyholders.expect_refused({"bnd_bybit": (Reason.DELEGATE_CALL, attack)})

    house.carry(of(attack), house.owner_signed(of(attack)))
    slot = house.anvil.rpc("eth_getStorageAt", house.safe.address, "0x0", "latest")
    assert slot[-40:] == impostor[2:].lower(), "what was refused is the theft"
    house.anvil.open_account(THIEF)
    before = house.held(house.safe.address)
    at(house.anvil, "ImpostorSingleton", house.safe.address).transact("sweep", somebody("loot"), sender=THIEF)
    assert (house.held(house.safe.address), house.held(somebody("loot"))) == (0, before)
    house.expect_whole()


# WazirX, July 2024: ordinary transfers fail until enough signatures are held, then the upgrade goes to the cosigner
# whose policy reads what is told of it.


@plays("P-096")
def test_wazirx_harvested_signatures_and_an_upgrade_told_as_a_listed_transfer(
    house: House, keyholders: Keyholders
) -> None:
    request = house.world.usdx("acme", 2_000_000)
    honest = house.world.paying(request)
    harvest = keyholders.asked(honest)
    assert all(said["bnd_1"].startswith("0x") for said in harvest)
    signatures = b"".join(
        sorted((bytes.fromhex(said["bnd_1"][2:]) for said in harvest[:2]), key=lambda raw: _who(of(honest), raw))
    )

    impostor = deploy(house.anvil, "ImpostorSingleton", THIEF).address
    trojan = deploy(house.anvil, "SlotOverwriter")
    upgrade = replace(
        of(honest).tx, to=trojan.address, data=trojan.calldata("transfer", impostor, 0), operation=DELEGATE_CALL
    )
    listed = house.world.payment(request, branch=7, destination="listed")
    told = replace(swapped(honest, upgrade), payments=(listed,))
    elsewhere = swapped(honest, house.world.composed([_other(house)]).tx)
    keyholders.expect_refused(
        {
            "bnd_upgrade": (Reason.DELEGATE_CALL, swapped(honest, upgrade)),
            "bnd_listed": (Reason.DELEGATE_CALL, told),
            "bnd_payee": (Reason.PAYMENT_MISSING, replace(elsewhere, payments=(listed,))),
        }
    )
    with pytest.raises(NodeRefused):
        house.carry(of(told), signatures)
    house.carry(of(told), house.owner_signed(of(told)))
    slot = house.anvil.rpc("eth_getStorageAt", house.safe.address, "0x0", "latest")
    assert slot[-40:] == impostor[2:].lower(), "the same bytes, signed by anybody who reads metadata alone"
    house.expect_whole()


def _other(house: House) -> Payment:
    return house.world.payment(house.world.usdx("acme", 2_000_000, destination=THIEF), branch=7)


def _who(unsigned: UnsignedSafeTx, raw: bytes) -> int:
    (owner,) = check_signatures(unsigned.digest, raw, owners=SafeSetup.of(_owners(), 2).owners, threshold=1)
    return int(owner, 16)


def _owners() -> Sequence[str]:
    return SafeWorld().setup.owners


# Radiant, October 2024: errors and "please sign again" gather signatures of another call at the same nonce.


@plays("P-096")
def test_radiant_please_sign_again_never_signs_another_call_at_the_same_nonce(
    house: House, keyholders: Keyholders
) -> None:
    shown = house.world.ether()
    first = keyholders.asked(shown)
    for attempt in range(3):
        again = replace(shown, id=f"bnd_again_{attempt}", attempt=f"att_again_{attempt}")
        answers = keyholders.asked(again)
        assert [said[again.id] for said in answers] == [said["bnd_1"] for said in first], "the same signature, no other"

    data = calldata("transferOwnership(address)", int(THIEF, 16))
    pool = replace(of(shown).tx, to=somebody("the lending pool"), value=0, data=data)
    owner = own_call(house, "addOwnerWithThreshold", THIEF, 1)
    other = house.world.withdrawal("acme", ETHER, destination=THIEF, idempotency_key="thief")
    keyholders.expect_refused(
        {
            "bnd_pool": (Reason.CONTRACT_CALL, swapped(shown, pool)),
            "bnd_owner": (Reason.OWN_SAFE, swapped(shown, owner)),
            "bnd_payee": (Reason.COIN_SIGNED_ELSEWHERE, house.world.paying(other)),
        }
    )
    taken = replace(of(shown), tx=owner)
    house.carry(taken, house.owner_signed(taken))
    assert house.safe.contract.call("isOwner", THIEF)
    assert house.safe.contract.call("getThreshold") == 1, "one stranger alone now owns it"
    house.expect_whole()


@plays("P-096")
def test_p096_a_failed_turn_is_used_up_before_the_payment_is_tried_again(house: House, keyholders: Keyholders) -> None:
    world, failed = house.world, house.world.ether()
    harvest = keyholders.asked(failed)
    retried = world.ether(nonce=1)
    keyholders.expect_refused({"bnd_retry": (Reason.NOT_A_REPLACEMENT, retried)})

    respend = world.give_up(failed.payments[0].proven)
    used_up = world.safe_bundle([respend], world.composed([respend]), name="bnd_no_op")
    answers = [bytes.fromhex(said["bnd_no_op"][2:]) for said in keyholders.asked(used_up)]
    house.carry(of(used_up), assemble(of(used_up).digest, answers[:2], owners=world.setup.owners, threshold=2))
    assert house.safe.contract.call("nonce") == 1
    with pytest.raises(NodeRefused):
        raw = [bytes.fromhex(said["bnd_1"][2:]) for said in harvest[:2]]
        house.carry(of(failed), assemble(of(failed).digest, raw, owners=world.setup.owners, threshold=2))

    request = world.withdrawal("acme", 2 * ETHER, idempotency_key="asked-again")
    anew = world.paying(request, nonce=1, name="bnd_anew")
    answers = [bytes.fromhex(said["bnd_anew"][2:]) for said in keyholders.asked(anew)]
    before = house.held(somebody("payee"))
    house.carry(of(anew), assemble(of(anew).digest, answers[1:], owners=world.setup.owners, threshold=2))
    assert house.held(somebody("payee")) - before == 2 * ETHER
    house.expect_whole()


@plays("P-084")
def test_p084_no_delegatecall_but_to_the_pinned_batch(house: House, keyholders: Keyholders) -> None:
    shown = house.world.ether()
    fake = deploy(house.anvil, "FakeMultiSend", THIEF).address
    tx = of(shown).tx
    batch = encode_multisend([Call(tx.to, ETHER, b""), Call(tx.to, ETHER, b"")])
    targets = {
        "bnd_stranger": somebody("contract"),
        "bnd_itself": house.safe.address,
        "bnd_payee": tx.to,
        "bnd_token": house.world.token,
        "bnd_fake": fake,
        "bnd_delegating": MULTI_SEND.address,
        "bnd_older": checksum_address(bytes.fromhex("40A2aCCbd92BCA938b02010E17A5b8929b49130D")),
    }
    changed = {
        name: swapped(shown, replace(tx, to=to, value=0, data=batch, operation=DELEGATE_CALL))
        for name, to in targets.items()
    }
    keyholders.expect_refused({name: (Reason.DELEGATE_CALL, bundle) for name, bundle in changed.items()})
    taken, before = of(changed["bnd_fake"]), house.held(house.safe.address)
    house.carry(taken, house.owner_signed(taken))
    assert house.held(THIEF) >= before, "all of it"
    house.expect_whole()


@plays("P-085")
def test_p085_a_batch_that_hides_a_second_transfer(house: House, keyholders: Keyholders) -> None:
    world = house.world
    payments = [
        world.payment(world.withdrawal("acme", ETHER, destination=somebody(name), idempotency_key=name), branch=7)
        for name in ("one", "two")
    ]
    honest = world.safe_bundle(payments, world.composed(payments))
    calls = [world.call(payment) for payment in payments]
    steal = Call(THIEF, ETHER, b"")
    token = Call(world.token, 0, calldata("transfer(address,uint256)", int(THIEF, 16), 10**6))
    allow = Call(world.token, 0, calldata("approve(address,uint256)", int(THIEF, 16), 10**12))
    itself = Call(house.safe.address, 0, own_call(house, "enableModule", THIEF).data)
    tx = of(honest).tx
    hidden = {
        "bnd_third": (Reason.PAYMENT_NOT_ASKED, encode_multisend([*calls, steal])),
        "bnd_token": (Reason.PAYMENT_NOT_ASKED, encode_multisend([*calls, token])),
        "bnd_instead": (Reason.PAYMENT_MISSING, encode_multisend([calls[0], steal])),
        "bnd_allow": (Reason.CONTRACT_CALL, encode_multisend([*calls, allow])),
        "bnd_module": (Reason.OWN_SAFE, encode_multisend([*calls, itself])),
        "bnd_nested": (
            Reason.BATCH_NOT_CANONICAL,
            encode_multisend([*calls, Call(MULTI_SEND_CALL_ONLY.address, 0, encode_multisend([steal, steal]))]),
        ),
        "bnd_behind": (Reason.BATCH_NOT_CANONICAL, tx.data + encode_multisend([steal])),
        "bnd_padded": (Reason.BATCH_NOT_CANONICAL, tx.data[:-1] + b"\x01"),
    }
    keyholders.expect_refused(
        {name: (reason, swapped(honest, replace(tx, data=data))) for name, (reason, data) in hidden.items()}
    )
    third = replace(of(honest), tx=replace(tx, data=hidden["bnd_third"][1]))
    house.carry(third, house.owner_signed(third))
    assert house.held(THIEF) == ETHER
    house.expect_whole()


@plays("P-086")
def test_p086_each_of_the_ten_fields_changed_after_approval(house: House, keyholders: Keyholders) -> None:
    signed = large(house)
    assert all(said["bnd_1"].startswith("0x") for said in keyholders.asked(signed))
    tx = of(signed).tx
    changes: dict[str, tuple[Reason, Any]] = {
        "to": (Reason.PAYMENT_MISSING, THIEF),
        "value": (Reason.PAYMENT_MISSING, tx.value + 1),
        "data": (Reason.CONTRACT_CALL, b"\x12\x34\x56\x78"),
        "operation": (Reason.DELEGATE_CALL, DELEGATE_CALL),
        "safe_tx_gas": (Reason.REFUND, 1),
        "base_gas": (Reason.REFUND, 1),
        "gas_price": (Reason.REFUND, 1),
        "gas_token": (Reason.REFUND, house.world.token),
        "refund_receiver": (Reason.REFUND, THIEF),
        "nonce": (Reason.NOT_A_REPLACEMENT, 1),
    }
    changed = {name: replace(tx, **{name: value}) for name, (_, value) in changes.items()}
    for each in (tx, *changed.values()):
        theirs = house.safe.contract.call(
            "getTransactionHash",
            *(each.to, each.value, each.data, each.operation, each.safe_tx_gas, each.base_gas, each.gas_price),
            *(each.gas_token, each.refund_receiver, each.nonce),
        )
        assert theirs == replace(of(signed), tx=each).expect_digest()
    assert len({replace(of(signed), tx=each).spend for each in (tx, *changed.values())}) == 11
    keyholders.expect_refused(
        {f"bnd_{name}": (changes[name][0], swapped(signed, each)) for name, each in changed.items()}
    )
    house.expect_whole()


@plays("P-087")
def test_p087_a_refund_is_a_second_payment(house: House, keyholders: Keyholders) -> None:
    shown = house.world.ether()
    tx = of(shown).tx
    refunds = {
        "bnd_price": replace(tx, gas_price=10**12, base_gas=10**10, refund_receiver=THIEF),
        "bnd_token": replace(tx, gas_token=house.world.token),
        "bnd_receiver": replace(tx, refund_receiver=THIEF),
    }
    keyholders.expect_refused({name: (Reason.REFUND, swapped(shown, each)) for name, each in refunds.items()})
    taken = replace(of(shown), tx=refunds["bnd_price"])
    house.carry(taken, house.owner_signed(taken))
    assert house.held(THIEF) >= ETHER, "the refund is more than what was shown"
    house.expect_whole()


@plays("P-093")
def test_p093_signatures_in_another_form_or_order(house: House, keyholders: Keyholders) -> None:
    world, bundle = house.world, house.world.ether()
    raw = [bytes.fromhex(said["bnd_1"][2:]) for said in keyholders.asked(bundle)]
    unsigned, owners = of(bundle), world.setup.owners
    low = raw[0]
    high = low[:32] + (ORDER - int.from_bytes(low[32:64], "big")).to_bytes(32, "big") + bytes([55 - low[64]])
    forms = {"high-s": high, "contract-signature": low[:64] + b"\x00", "approved-hash": low[:64] + b"\x01"}
    forms |= {"eth-sign": low[:64] + bytes([low[64] + 4]), "wrong-v": low[:64] + b"\x1d"}
    for reason, form in forms.items():
        with pytest.raises(AnswerRefused) as refused:
            _read(world, bundle, form)
        assert refused.value.facts["reason"] == reason
        with pytest.raises(OwnerSignatureRefused):
            assemble(unsigned.digest, [form, raw[1]], owners=owners, threshold=2)
    with pytest.raises(OwnerSignatureRefused):
        assemble(unsigned.digest, [low, low], owners=owners, threshold=2)
    packed = assemble(unsigned.digest, raw[:2], owners=owners, threshold=2)
    unsorted = packed[65:] + packed[:65]
    for wrong in (unsorted, packed[:65] * 2, packed[:65]):
        with pytest.raises(OwnerSignatureRefused):
            check_signatures(unsigned.digest, wrong, owners=owners, threshold=2)
        with pytest.raises(NodeRefused):
            house.carry(unsigned, wrong)
    for wrong_owners in ((owners[1], owners[0], owners[2]), (owners[0], owners[0], owners[1])):
        with pytest.raises(InvalidInput):
            SafeSetup(wrong_owners, 2)
    house.carry(unsigned, packed)
    house.expect_whole()


def _read(world: SafeWorld, bundle: Bundle, form: bytes) -> dict[str, str]:
    return EthereumSpending(ANVIL.chain).read_answer(
        "0x" + form.hex(),
        unsigned=bundle.unsigned,
        inputs=[Turn(world.safe("acme"), 0, "acme", 0)],
        keyset=world.safe_keyset,
        branch=7,
        cosigner=world.me,
    )


@plays("P-094")
def test_p094_a_signature_for_one_chain_is_none_on_another(
    house: House, keyholders: Keyholders, servers: Servers
) -> None:
    world, bundle, other = house.world, house.world.ether(), network("sepolia")
    elsewhere, later = replace(of(bundle), network=other), world.ether(2 * ETHER, nonce=1)
    keyholders.expect_refused(
        {
            "bnd_chain": (Reason.WRONG_CHAIN, replace(later, chain=other.chain)),
            "bnd_text": (Reason.SAFE_TX_MALFORMED, replace(bundle, unsigned=elsewhere.text)),
        }
    )
    raw = [bytes.fromhex(said["bnd_1"][2:]) for said in keyholders.asked(bundle)]
    with pytest.raises(InvalidInput, match="another chain"):
        _read(world, replace(bundle, unsigned=elsewhere.text), raw[0])
    for signature in raw:
        assert recover_owner(elsewhere.digest, parse_signature(signature)) not in world.setup.owners
    packed = assemble(of(bundle).digest, raw[:2], owners=world.setup.owners, threshold=2)
    with pytest.raises(OwnerSignatureRefused):
        check_signatures(elsewhere.digest, packed, owners=world.setup.owners, threshold=2)
    second = servers.anvil(chain_id=other.chain_id)
    try:
        twin = replace(house.safe, anvil=second)
        twin.deploy()
        assert twin.address == house.safe.address, "anybody can deploy the same Safe there"
        second.transact(twin.address, 5 * ETHER)
        call = execute(SignedSafeTx(twin.address, of(bundle).tx, packed))
        with pytest.raises(NodeRefused):
            second.transact(call.to, 0, call.data)
    finally:
        servers.discard(second)
    house.carry(of(bundle), packed)
    house.expect_whole()
