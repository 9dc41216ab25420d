"""What came astray to a client's Safe on another chain goes back: asked, agreed, signed by the cosigners' program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_account import Account
from sqlalchemy import text
from starlette.testclient import TestClient

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.api.app import application
from custody.api.auth import Callers
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.bootstrap import Runtime
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.execution import RelayerCall, deploy_and_execute, execute
from custody.chains.ethereum.payer import open_payer_key
from custody.chains.ethereum.rpc import Rpc
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.registry import spending
from custody.chains.spending import SpendRules
from custody.cosigner.answering import Answer, Desk, Signed, SignedRefusal
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.evidence.bundle import Bundle
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.requests import ClientOpeningRequest, StrayReturnRequest, request_message
from custody.evidence.signatures import Signature, sign_ed25519
from custody.kernel.errors import InvalidInput
from custody.movements import queries as movements
from custody.movements.model import Stray
from custody.movements.scan import scan
from custody.openings import operations as openings
from custody.reconciliation.effect import reconcile
from custody.reconciliation.stuck import Deadlines
from custody.relaying import effect
from custody.returns import operations as returns
from custody.returns import queries
from custody.returns.model import State
from custody.signing import operations as signing
from custody.telemetry.nodes import Nodes
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from demo.bitcoind import NodeRefused
from demo.servers import Anvil
from policies.document import load_document
from tests.chains.ethereum.conftest import adapter_for
from tests.cosigner.builders import approval, key_id, person_key
from tests.cosigner.return_builders import ELSEWHERE, RETURN_POLICY, AwayWorld
from tests.cosigner.safe_builders import ANVIL, ETHER, SAFES, safe_key, somebody, token_asset
from tests.integration.api.callers import TOKENS, Caller
from tests.support import lanes, oracle
from tests.support.evm import Contract, deploy_token
from tests.support.servers import FreshDatabase
from tests.support.status import state_status
from tests.support.world import write_tokens
from workers import carrying, tasks  # noqa: F401 - registers what delivers
from workers.unit import DELIVERIES

SEAL = b"\x09" * 32
DEPTH = 2
TERMS = EthereumTerms(absolute_wei=10**17, rate_wei_gas=10**12, share_bps=10_000)
DEADLINES = Deadlines(600, 600, 600, 600, 600, 600, 600)
WITHOUT_PEOPLE = RETURN_POLICY.replace(
    "  - require: two operators send on what came astray\n"
    "    match: {kind: stray_return}\n    approvals: {operators: 2}\n",
    "",
)
PAYING = replace(lanes.RULES, required_depth=DEPTH)
RULES = SpendRules(terms=TERMS, coinbase_maturity=1, tiers=((None, DEPTH),))


@dataclass
class Shore:
    """acme's house on one chain, and what lies at its address on another."""

    database: FreshDatabase
    home: Anvil
    away: Anvil
    token: Contract
    folder: Path
    desks: list[Desk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.db = self.database.db
        self.world = AwayWorld(
            now=datetime.now(UTC), away_token=checksum_address(bytes.fromhex(self.token.address[2:]))
        )
        self.listed = token_asset(self.world.away_token, chain=ELSEWHERE.chain).id
        self.reader = EthereumAdapter(Rpc(self.away.url), network=ELSEWHERE, assets=[self.listed])
        self.start = self.away.height()
        self.payer = open_payer_key(Account.create().key.hex(), chain=ELSEWHERE.chain)
        self.away.transact(self.payer.account, 10 * ETHER)
        self._found()
        for name in self.world.owners[:2]:
            memory = Memory.create(self.folder / name)
            memory.pin(self.world.root.hash, now=datetime.now(UTC))
            self.desks.append(Desk(safe_key(name), memory, Limits()))

    def _found(self) -> None:
        message = keyset_consent_message(self.world.safe_keyset)
        consents = tuple(Signature(name, safe_key(name).sign_statement(message)) for name in self.world.owners)
        with self.db.unit() as unit:
            trust.install(
                unit.session,
                signed=self.world.signed_root,
                policy_text=self.world.policy,
                actor="ceremony",
                now=unit.now,
            )
            vaults.register_keyset(
                unit.session, keyset=self.world.safe_keyset, consents=consents, actor="ceremony", now=unit.now
            )
            proven = self.world.opening("acme", 7)
            request = replace(proven.intent.request, not_after=self.world.asked().not_after)
            assert isinstance(request, ClientOpeningRequest)
            asked = openings.request_opening(
                unit.session,
                request=request,
                signature=_signed(request),
                trust=trust.in_force(unit.session),
                now=unit.now,
            )
        self.agree(asked.digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=asked.digest, now=unit.now)
        reader = adapter_for(self.home)
        fill_stock(self.db, reader, vault=f"{SAFES}/7", target=1, seal_key=SEAL, kept_for="acme")
        with self.db.unit() as unit:
            given = addresses.allocate(
                unit.session,
                vault=f"{SAFES}/7",
                client="acme",
                seal_key=SEAL,
                low_mark=0,
                actor="test",
                now=unit.now,
            )
        assert given.address == self.world.safe("acme")
        self.safe = given.address

    def agree(self, digest: str, *people: str) -> None:
        for person in people:
            with self.db.unit() as unit:
                filed = intents.get(unit.session, digest=digest)
                said = approval(person, digest, given_at=unit.now, not_after=filed.not_after)
                approvals.give(
                    unit.session,
                    digest=digest,
                    approval=said,
                    root=self.world.root,
                    correlation_id="test",
                    now=unit.now,
                )

    def follow(self, blocks: int = DEPTH) -> None:
        """Mine there and take up what is read."""
        self.away.mine(blocks)
        assets = [ELSEWHERE.asset.id, self.listed]
        while scan(self.reader, self.db, chain=ELSEWHERE.chain, assets=assets, start_height=self.start).more:
            pass
        self.deliver()

    def deliver(self) -> None:
        """What is due in the outbox, as workers do it."""
        each = AssetRules((Tier(None, DEPTH),), dust_units=1, coinbase_maturity=1)
        served = SimpleNamespace(
            spend_rules=RULES, deposit_rules=DepositRules({ELSEWHERE.asset.id: each, self.listed: each})
        )
        here = cast("Runtime", SimpleNamespace(database=self.db, of=lambda _chain: served))
        topics = ("intents.approved", "movements.advanced", "movements.reorganised", "signing.complete")
        for topic in topics:
            for (due,) in self.rows(f"SELECT id FROM outbox WHERE done_at IS NULL AND topic = '{topic}' ORDER BY id"):
                DELIVERIES[topic](here, due)

    def strays(self) -> list[Stray]:
        with self.db.unit() as unit:
            return movements.strays(unit.session)

    def request(self, stray: Stray, **changes: Any) -> StrayReturnRequest:
        asked = self.world.asked(
            txid=stray.txid,
            position=stray.position,
            asset=stray.asset,
            amount=stray.units,
            idempotency_key=f"{stray.txid[-8:]}-{stray.position}",
        )
        return replace(asked, **changes)

    def ask(self, request: StrayReturnRequest) -> returns.Asked:
        with self.db.unit() as unit:
            return returns.request(
                unit.session,
                request=request,
                signature=_signed(request),
                trust=trust.in_force(unit.session),
                now=unit.now,
            )

    def states(self) -> list[State]:
        with self.db.unit() as unit:
            return [item.state for item in queries.every(unit.session)]

    def given_out(self, name: str) -> list[Bundle]:
        state_status(self.db)
        with self.db.unit() as unit:
            found = signing.give_out(unit.session, cosigner=name, keysets=[SAFES], now=unit.now)
        return [Bundle.parse(document) for document in found]

    def cosign(self) -> list[Answer]:
        """Both programs answer what they are given, and hand it in; a quorum's answer is taken over."""
        said: list[Answer] = []
        for desk in self.desks:
            for bundle in self.given_out(desk.name):
                answer = desk.answer(bundle, confirm=lambda _verdict: True, clock=lambda: datetime.now(UTC))
                said.append(answer)
                assert isinstance(answer, Signed), answer
                with self.db.unit() as unit:
                    taken = signing.add_signature(
                        unit.session,
                        bundle=bundle.id,
                        cosigner=desk.name,
                        signed=answer.signed,
                        correlation_id="test",
                        now=unit.now,
                    )
                assert taken.refused is None
        self.deliver()
        return said

    def rows(self, statement: str) -> list[Any]:
        with self.db.unit() as unit:
            return list(unit.session.execute(text(statement)).all())

    def carry(self) -> None:
        """Carry out what waits to be carried, with the house's own payer on that chain."""
        effect.follow(
            self.db,
            self.reader,
            chain=ELSEWHERE.chain,
            payer_key=self.payer,
            rules=PAYING,
            terms=TERMS,
            wanted=partial(carrying.wanted, ELSEWHERE.chain),
        )

    def carry_at(self, node: Anvil) -> dict[str, Any]:
        """What was signed, as anybody would carry it out on a node; the receipt."""
        ((final,),) = self.rows("SELECT final FROM returns WHERE state = 'signed'")
        call = self.call(bytes(final), node)
        return node.transact(call.to, 0, call.data)

    def call(self, final: bytes, node: Anvil) -> RelayerCall:
        there = spending(ELSEWHERE.chain)
        assert isinstance(there, EthereumSpending)
        found = there.read_execution(final)
        if node.rpc("eth_getCode", found.attempt.safe, "latest") == "0x":
            return deploy_and_execute(found.safes, found.salt_nonce, found.signed)
        return execute(found.signed)

    def expect_whole(self) -> None:
        assets = [ELSEWHERE.asset.id, self.listed]
        run = reconcile(self.reader, self.db, chain=ELSEWHERE.chain, assets=assets, start_height=self.start)
        assert run.is_balanced, run.to_json()
        kinds = {kind for (kind,) in self.rows("SELECT DISTINCT kind FROM ledger_accounts")}
        assert kinds <= {"capital", "onchain", "network_fees"}, "the payer's money, and nobody else's"
        both = (ANVIL.chain, ELSEWHERE.chain)
        oracle.expect_whole(self.db, terms=dict.fromkeys(both, TERMS), deadlines=dict.fromkeys(both, DEADLINES))


def _signed(request: Any) -> Signature:
    return sign_ed25519(person_key(request.requester), key_id(request.requester), request_message(request))


@pytest.fixture
def shore(
    anvil: Anvil, anvil_factory: Callable[..., Anvil], database: FreshDatabase, tmp_path: Path
) -> Iterator[Shore]:
    away = anvil_factory(chain_id=ELSEWHERE.chain_id)
    yield Shore(database, anvil, away, deploy_token(away), tmp_path)


def test_what_came_astray_goes_back_one_after_the_other(shore: Shore) -> None:
    sender = somebody("who sent it")
    shore.away.transact(shore.safe, ETHER)
    shore.token.transact("transfer", shore.safe, 1_000)
    shore.follow()
    ether, token = shore.strays()
    first = shore.ask(shore.request(ether))
    second = shore.ask(shore.request(token))
    shore.follow()
    shore.agree(first.intent.digest, "alice")
    shore.follow()
    assert shore.states() == [State.ASKED, State.ASKED], "two have to agree"
    shore.agree(first.intent.digest, "bob")
    shore.agree(second.intent.digest, "alice", "bob")
    shore.follow(0)
    assert shore.states() == [State.AWAITING_SIGNATURES, State.ASKED], "one turn of the Safe at a time"
    assert len(shore.cosign()) == 2
    assert shore.states() == [State.SIGNED, State.ASKED]

    before = shore.home.rpc("eth_getBalance", sender, "latest")
    with pytest.raises(NodeRefused):
        shore.carry_at(shore.home)
    assert shore.home.rpc("eth_getBalance", sender, "latest") == before, "for the chain it lies on and no other"
    shore.carry()
    assert shore.away.balance_wei(sender) == ETHER
    shore.follow()
    assert shore.states() == [State.RETURNED, State.AWAITING_SIGNATURES]
    shore.cosign()
    shore.carry()
    assert shore.token.call("balanceOf", sender) == 1_000
    shore.follow()
    assert shore.states() == [State.RETURNED, State.RETURNED]
    assert [item.units for item in shore.strays()] == [ETHER, 1_000], "kept for ever"
    with pytest.raises(returns.ReturnedAlready):
        shore.ask(shore.request(ether, idempotency_key="again"))
    shore.expect_whole()


def test_a_reorg_takes_a_return_back_and_it_is_carried_again(shore: Shore) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.follow()
    asked = shore.ask(shore.request(shore.strays()[0]))
    shore.agree(asked.intent.digest, "alice", "bob")
    shore.follow(0)
    shore.cosign()
    height = shore.away.height()
    shore.carry()
    shore.follow()
    assert shore.states() == [State.RETURNED]
    shore.away.reorg(shore.away.height() - height)
    shore.follow(DEPTH + 2)
    assert shore.states() == [State.SIGNED]
    shore.carry()
    shore.follow()
    assert shore.states() == [State.RETURNED]
    shore.expect_whole()


def test_waits_until_the_stray_itself_is_deep_enough(shore: Shore) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.follow(0)
    asked = shore.ask(shore.request(shore.strays()[0]))
    shore.agree(asked.intent.digest, "alice", "bob")
    shore.follow(0)
    assert shore.states() == [State.ASKED]
    with pytest.raises(returns.ReturnedAlready):
        shore.ask(shore.request(shore.strays()[0], idempotency_key="again"))
    shore.follow(1)
    assert shore.states() == [State.AWAITING_SIGNATURES]
    shore.expect_whole()


def test_a_policy_that_asks_nobody_returns_nothing(shore: Shore) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.follow()
    (stray,) = shore.strays()
    with shore.db.unit() as unit:
        ours = trust.in_force(unit.session)
        lax = replace(ours, policy=load_document(WITHOUT_PEOPLE))
        request = shore.request(stray)
        with pytest.raises(returns.NobodyAgrees):
            returns.request(unit.session, request=request, signature=_signed(request), trust=lax, now=unit.now)
    assert shore.states() == []


def test_asks_by_the_api_once(shore: Shore, tmp_path: Path) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.follow()
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    settings = SimpleNamespace(database_url="", broker_url="", api_proxies=(), api_names=(), api_sandbox=False)
    served = cast("Runtime", SimpleNamespace(database=shore.db, chains={}, settings=settings))
    app = application(served, callers, nodes=cast("Nodes", SimpleNamespace()))
    with TestClient(app, raise_server_exceptions=False) as client:
        exchange = Caller(client, "exchange")
        request = shore.request(shore.strays()[0])
        body = {"request": request.to_json(), "signature": _signed(request).to_json()}
        first, again = exchange.post("/v1/returns", body), exchange.post("/v1/returns", body)
        assert (first.status_code, again.status_code) == (201, 200), first.text
        assert (first.json()["status"], first.json()["intent_state"]) == ("asked", "pending")
        assert "that came astray on to" in exchange.get(first.headers["Location"]).text
        assert [item["id"] for item in exchange.get("/v1/returns").json()["returns"]] == [first.json()["id"]]
    shore.expect_whole()


def test_a_daemon_that_forgets_gets_no_second_signature(shore: Shore) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.away.transact(shore.safe, ETHER)
    shore.follow()
    stray = shore.strays()[0]
    asked = shore.ask(shore.request(stray))
    shore.agree(asked.intent.digest, "alice", "bob")
    shore.follow(0)
    shore.cosign()
    shore.carry()
    shore.follow()
    assert shore.states() == [State.RETURNED]
    # Whoever owns the database has the same intent composed anew, at the next turn.
    (document,) = shore.rows("SELECT document FROM bundles")
    honest = Bundle.parse(document[0])
    again = shore.world.sending_on(shore.request(stray), nonce=1)
    stolen = replace(honest, status=state_status(shore.db), id="bnd_2", attempt="ret_2", unsigned=again.text)
    for desk in shore.desks:
        answer = desk.answer(stolen, confirm=lambda _verdict: True, clock=lambda: datetime.now(UTC))
        assert isinstance(answer, SignedRefusal)
        assert answer.refusal.reason == "not-a-replacement"
    shore.expect_whole()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": ETHER - 1}, "request.amount"),
        ({"client": "birch"}, "request.client"),
        ({"address": somebody("thief")}, "request.address"),
        ({"asset": ANVIL.asset.id}, "request.txid"),
        ({"asset": "eip155:84532/slip44:9"}, "request.asset"),
        ({"txid": "0x" + "00" * 32}, "request.txid"),
        ({"destination": somebody("payee").lower()}, "request.destination"),
        ({"destination": "0x" + "00" * 20}, "request.destination"),
    ],
)
def test_refuses_what_is_not_the_stray(shore: Shore, changes: dict[str, Any], error: str) -> None:
    shore.away.transact(shore.safe, ETHER)
    shore.follow()
    (stray,) = shore.strays()
    with pytest.raises((InvalidInput, returns.UnknownStray)) as refused:
        shore.ask(shore.request(stray, **changes))
    assert refused.value.field == error
    with pytest.raises(InvalidInput, match="ours"):
        shore.ask(shore.request(stray, destination=shore.safe))
    assert shore.states() == []
    assert shore.rows("SELECT * FROM intents WHERE kind = 'stray_return'") == []
