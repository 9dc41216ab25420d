"""The whole road by direct calls: ceremony, clients, deposits and withdrawals on a real database and a real node."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from config.chains import ChainConfig, load_chains
from custody import bootstrap
from custody.addresses import operations as addresses
from custody.addresses.model import DepositAddress, derive
from custody.addresses.queries import by_ids
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.audit import queries as audit
from custody.chains.bitcoin.adapter import BitcoinAdapter
from custody.chains.bitcoin.offline.address import parse_address
from custody.chains.bitcoin.offline.psbt import PayOutput, SpendInput, compose, finalize, parse_psbt
from custody.chains.registry import NodeAddress, open_chain
from custody.cosigner.keys import SigningInput
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits.model import DepositRules
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.requests import ClientOpeningRequest, Request, WithdrawalRequest, request_message
from custody.evidence.signatures import Signature, sign_ed25519
from custody.movements import queries as movements
from custody.movements.scan import scan
from custody.openings import operations as openings
from custody.reconciliation.books import still
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.invariants import InvariantReport, check_invariants
from custody.reconciliation.model import RunResult
from custody.reconciliation.stuck import Deadlines
from custody.reports.client_table import ClientTable, client_table
from custody.reports.state_dump import state_dump
from custody.signing import operations as signing
from custody.signing import queries as bundles
from custody.spends import queries as attempts
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from demo.servers import Bitcoind
from tests.cosigner.builders import KEYSET, REGTEST, World, approval, cosigner_key, key_id, person_key
from tests.support import oracle

SEAL = b"\x07" * 32
PLACES = {"acme": 1, "birch": 2, "cedar": 9, "dune": 9}
"""Where each client of the tests lives; two share a pool. Tests share one chain, so each begins elsewhere."""
POOL = 9
_NUMBERS = itertools.count()


def chain_config() -> ChainConfig:
    """The regtest block as shipped."""
    return load_chains((Path(__file__).parents[3] / "config/chains.toml").read_text())["regtest"]


@dataclass
class Stage:
    """One database, one node, everybody's keys. Times are the database's."""

    db: Database
    node: Bitcoind

    def __post_init__(self) -> None:
        self.world = World()
        self.first_branch = 16 * next(_NUMBERS)
        self.chain, self.asset = REGTEST.chain, REGTEST.asset.id
        self.rules = bootstrap.spend_rules(self.chain, chain_config(), stock_low_mark=2)
        self.deposit_rules = DepositRules({self.asset: bootstrap.deposit_rules(chain_config())})
        self.start_height: int = self.node.rpc("getblockcount")
        reader = open_chain(self.chain, NodeAddress(self.node.url))
        assert isinstance(reader, BitcoinAdapter)
        self.reader = reader

    def hold_ceremony(self) -> None:
        message = keyset_consent_message(self.world.keyset)
        consents = tuple(Signature(name, cosigner_key(name).sign_statement(message)) for name in self.world.cosigners)
        with self.db.unit() as unit:
            trust.install(
                unit.session,
                signed=self.world.signed_root,
                policy_text=self.world.policy,
                actor="ceremony",
                now=unit.now,
            )
            vaults.register_keyset(
                unit.session, keyset=self.world.keyset, consents=consents, actor="ceremony", now=unit.now
            )

    def open(self, client: str) -> str:
        """Open the client, have an operator approve it, fill its vault's stock; the vault."""
        digest = self.ask_to_open(client)
        self.approve(digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=digest, now=unit.now)
        self.restock(self.vault(client))
        return self.vault(client)

    def ask_to_open(self, client: str) -> str:
        """File the opening; its digest."""
        segregation = "omnibus" if PLACES[client] == POOL else "segregated"
        with self.db.unit() as unit:
            request = ClientOpeningRequest(
                requester="exchange",
                client=client,
                name=client.title(),
                segregation=segregation,
                keyset=KEYSET,
                branch=self.branch(client),
                not_after=unit.now + timedelta(days=1),
                idempotency_key=f"open-{client}",
            )
            asked = openings.request_opening(
                unit.session,
                request=request,
                signature=self._signed(request),
                trust=trust.in_force(unit.session),
                now=unit.now,
            )
            return asked.digest

    def branch(self, client: str) -> int:
        return self.first_branch + PLACES[client]

    def vault(self, client: str) -> str:
        return f"{KEYSET}/{self.branch(client)}"

    def restock(self, vault: str) -> None:
        for change in (False, True):
            with self.db.unit() as unit:
                plan = addresses.plan_stock(unit.session, vault=vault, change=change, target=4, seal_key=SEAL)
            if plan is None:
                continue
            derived = derive(plan)
            with self.db.unit() as unit:
                addresses.store(unit.session, plan=plan, derived=derived, seal_key=SEAL, now=unit.now)

    def address(self, client: str) -> DepositAddress:
        with self.db.unit() as unit:
            return addresses.allocate(
                unit.session,
                vault=self.vault(client),
                client=client,
                seal_key=SEAL,
                low_mark=2,
                actor="test",
                now=unit.now,
            )

    def approve(self, digest: str, *people: str, verdict: str = "approve") -> None:
        for person in people:
            with self.db.unit() as unit:
                filed = intents.get(unit.session, digest=digest)
                statement = approval(
                    person,
                    digest,
                    verdict=verdict,
                    given_at=unit.now,
                    not_after=min(filed.not_after, unit.now + timedelta(hours=1)),
                )
                root = trust.in_force(unit.session).root
                approvals.give(
                    unit.session, digest=digest, approval=statement, root=root, correlation_id="test", now=unit.now
                )

    def deposit(self, client: str, amount_sat: int) -> str:
        """Pay a fresh address of the client; nothing is mined. The transaction's id."""
        return self.node.send(self.address(client).address, amount_sat)

    def scan(self) -> None:
        scan(self.reader, self.db, chain=self.chain, assets=self.deposit_rules.assets, start_height=self.start_height)

    def settle(self) -> None:
        """Take movements up into deposits and withdrawals."""
        with self.db.unit() as unit:
            deposits.advance(unit.session, chain=self.chain, config=self.deposit_rules, actor="test", now=unit.now)
        with self.db.unit() as unit:
            withdrawals.observe(unit.session, chain=self.chain, rules=self.rules, correlation_id="test", now=unit.now)

    def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        self.scan()
        self.settle()

    def fund(self, client: str, amount_sat: int = 20_000_000) -> None:
        self.deposit(client, amount_sat)
        self.mine(6)

    def request(self, client: str, amount_sat: int, *, key: str = "w1", max_fee: int = 20_000) -> Withdrawal:
        with self.db.unit() as unit:
            wanted = WithdrawalRequest(
                requester="exchange",
                client=client,
                asset=self.asset,
                amount=amount_sat,
                destination=self.node.wallet("elsewhere").new_address(),
                max_fee=max_fee,
                purpose="withdrawal",
                not_after=unit.now + timedelta(days=1),
                idempotency_key=f"{client}-{key}",
            )
            asked = withdrawals.request(
                unit.session,
                request=wanted,
                signature=self._signed(wanted),
                trust=trust.in_force(unit.session),
                correlation_id="test",
                now=unit.now,
            )
            return asked.withdrawal

    def mark_approved(self, withdrawal: str) -> None:
        with self.db.unit() as unit:
            withdrawals.mark_approved(
                unit.session,
                withdrawal=withdrawal,
                trust=trust.in_force(unit.session),
                correlation_id="test",
                now=unit.now,
            )

    def compose(self, withdrawal: str) -> None:
        with self.db.unit() as unit:
            found = withdrawals.composable(unit.session, withdrawal=withdrawal, rules=self.rules)
        assert found is not None
        planned = self.reader.plan(found, rules=self.rules)
        with self.db.unit() as unit:
            withdrawals.compose(
                unit.session,
                planned=planned,
                trust=trust.in_force(unit.session),
                rules=self.rules,
                seal_key=SEAL,
                now=unit.now,
            )

    def sign(self, withdrawal: str, *names: str) -> None:
        with self.db.unit() as unit:
            attempt = attempts.attempts(unit.session, withdrawal=withdrawal)[-1]
            bundle = bundles.of_attempt(unit.session, attempt=attempt.id)
        assert bundle is not None
        branch = int(attempt.vault.rpartition("/")[2])
        for name in names or self.world.cosigners[:2]:
            place = self.world.cosigners.index(name)
            entries = [
                SigningInput(
                    index=number,
                    outpoint=(coin.txid, coin.position),
                    amount_sat=coin.units,
                    path=(branch, int(coin.change), coin.index),
                    pubkey=self.world.branch(branch).derive(change=coin.change, index=coin.index).pubkeys[place],
                )
                for number, coin in enumerate(attempt.coins)
            ]
            signed = cosigner_key(name).sign(parse_psbt(attempt.unsigned), entries)
            with self.db.unit() as unit:
                signing.give_out(unit.session, cosigner=name, keysets=[KEYSET], now=unit.now)
                answer = signing.add_signature(
                    unit.session,
                    bundle=bundle.id,
                    cosigner=name,
                    signed=signed.base64,
                    correlation_id="t",
                    now=unit.now,
                )
                assert answer.refused is None
        with self.db.unit() as unit:
            withdrawals.mark_signed(
                unit.session, attempt=attempt.id, rules=self.rules, correlation_id="t", now=unit.now
            )

    def send(self, withdrawal: str) -> None:
        with self.db.unit() as unit:
            attempt = attempts.attempts(unit.session, withdrawal=withdrawal)[-1]
            final = withdrawals.sendable(unit.session, attempt=attempt.id)
        assert final is not None
        assert final.final is not None
        outcome = self.reader.broadcast(final.final)
        assert outcome.held
        with self.db.unit() as unit:
            withdrawals.mark_sent(unit.session, attempt=attempt.id, outcome=outcome.result, now=unit.now)

    def get(self, withdrawal: str) -> Withdrawal:
        with self.db.unit() as unit:
            return queries.get(unit.session, withdrawal=withdrawal)

    def reconcile(self, *, ranged: bool = False) -> RunResult:
        act = reconcile_ranged if ranged else reconcile
        assets = self.deposit_rules.assets
        return act(self.reader, self.db, chain=self.chain, assets=assets, start_height=self.start_height)

    def table(self) -> ClientTable:
        with still(self.db) as session:
            return client_table(session)

    def check(self) -> InvariantReport:
        with self.db.unit() as unit:
            deadlines = {self.chain: Deadlines(600, 600, 600, 600, 600, 600, 600)}
            return check_invariants(
                unit.session, terms={self.chain: self.rules.terms}, deadlines=deadlines, now=unit.now
            )

    def expect_whole(self) -> None:
        """Every invariant that a database can show holds."""
        deadlines = {self.chain: Deadlines(600, 600, 600, 600, 600, 600, 600)}
        oracle.expect_whole(self.db, terms={self.chain: self.rules.terms}, deadlines=deadlines)

    def dump(self) -> bytes:
        with still(self.db) as session:
            return state_dump(session)

    def alarms(self) -> set[tuple[str, str]]:
        with self.db.unit() as unit:
            return {(alarm.kind, alarm.subject) for alarm in audit.alarms(unit.session)}

    def now(self) -> datetime:
        with self.db.unit() as unit:
            return unit.now

    def _signed(self, request: Request) -> Signature:
        return sign_ed25519(person_key("exchange"), key_id("exchange"), request_message(request))

    def steal(self, client: str) -> str:
        """Spend the client's first coin with two cosigners' keys and no withdrawal; nothing is mined."""
        with self.db.unit() as unit:
            coin = movements.coins_of(unit.session, vault=self.vault(client), asset=self.asset)[0]
            index = by_ids(unit.session, [coin.address_id])[coin.address_id].index
        assert coin.block_hash is not None
        descriptor = self.world.branch(self.branch(client))
        spend = SpendInput(
            txid=coin.txid,
            vout=coin.position,
            amount_sat=coin.units,
            previous_transaction=self.reader.raw_transaction(coin.txid, coin.block_hash),
            descriptor=descriptor,
            change=coin.change,
            index=index,
        )
        thief = parse_address(self.node.wallet("thief").new_address(), network=REGTEST).script_pubkey
        outputs = [PayOutput(thief, coin.units - 2_000, None)]
        psbt = compose(inputs=[spend], outputs=outputs, network=REGTEST)
        derived = descriptor.derive(change=coin.change, index=index)
        for place, name in enumerate(self.world.cosigners[:2]):
            path = (descriptor.branch, int(coin.change), index)
            entry = SigningInput(0, (coin.txid, coin.position), coin.units, path, derived.pubkeys[place])
            psbt = cosigner_key(name).sign(psbt, [entry])
        final = finalize(psbt)
        assert self.reader.broadcast(final.raw).held
        return final.txid
