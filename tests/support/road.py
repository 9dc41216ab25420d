"""The whole road in one process: a house on a fresh database and the session's node, three real desks, no Celery.

``settle`` does what workers, relay and cosigners do, until nothing moves; every flow ends with ``check``.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import text

import workers.tasks  # noqa: F401 - importing the tasks registers their deliveries
from config import settings as configuration
from custody.audit import queries as audit
from custody.bootstrap import assemble
from custody.clients import operations as clients
from custody.cosigner.answering import Answer, Desk, Signed, SignedRefusal
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.verify import Verdict
from custody.deposits.watch import watch_mempool
from custody.events import queries as told
from custody.events.model import Event
from custody.evidence.bundle import Bundle
from custody.judging.bundles import give_out
from custody.kernel.errors import CustodyError
from custody.movements import scan as movements
from custody.outbox import operations as outbox
from custody.outbox.operations import Message
from custody.reconciliation.effect import reconcile
from custody.reconciliation.model import RunResult
from custody.restore import operations as restore
from custody.restore.queries import Restoration
from custody.signing import operations as signing
from custody.signing import queries as bundle_queries
from custody.spends import queries as attempts
from custody.spends.model import Attempt
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from custody.withdrawals.model import Step, Withdrawal
from demo.bitcoind import sat
from demo.servers import Bitcoind
from tests.cosigner.builders import BTC, address, cosigner_key
from tests.support.servers import FreshDatabase
from tests.support.status import state_status
from tests.support.world import House, environment
from workers import unit as delivering

ROUNDS = 40
_BRANCHES = itertools.count(50_000)
"""Tests share one chain and one keyset: every client of every test lives on a branch of its own."""

Confirm = Callable[[Verdict], bool | None]


def yes(_verdict: Verdict) -> bool:
    """A keyholder who agrees to whatever passed the program's own checks."""
    return True


def no(_verdict: Verdict) -> bool:
    """A keyholder who declines."""
    return False


@dataclass
class Road(House):
    """One house with everything it takes to pay. Build it with ``Road.build``."""

    desks: dict[str, Desk] = field(default_factory=dict)
    memories: list[Memory] = field(default_factory=list)
    told: list[CustodyError] = field(default_factory=list)
    """What deliveries raised, in order."""
    _node: list[Bitcoind] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def build(cls, database: FreshDatabase, node: Bitcoind, folder: Path, **settings: Any) -> Road:
        """Hold the ceremony on an empty database; the cosigners' memories are kept in ``folder``."""
        height = node.rpc("getblockcount")
        road = cast("Road", cls.found(database, **{"node_url": node.url, "start_height": height, **settings}))
        road._node.append(node)
        road.start()
        for name in road.ceremony.cosigners:
            road.seat(name, folder / f"{secrets.token_hex(4)}-{name}.sqlite")
        road.scan()
        return road

    def on(self, database: FreshDatabase) -> Road:
        """The same house, node and cosigners on another database: what runs after a restore."""
        height = str(self.runtime.only.start_height)
        settings = configuration.load(environment(database, node_url=self.node.url, start_height=height))
        road = Road(database, assemble(settings), self.ceremony, dict(self.vaults))
        road.desks, road.memories, road._node = self.desks, self.memories, self._node
        return road

    def start(self, *, gap: int = 20) -> Restoration | None:
        """What every process does first: is this the database that ran before?"""
        with self.db.unit() as unit:
            return restore.notice(unit.session, now=unit.now, gap=gap)

    @property
    def node(self) -> Bitcoind:
        """The session's node."""
        return self._node[0]

    def seat(self, name: str, path: Path, *, limits: Limits | None = None) -> Desk:
        """Give a cosigner a desk with an empty memory at ``path``, the trust root pinned."""
        memory = Memory.create(path)
        memory.pin(self.ceremony.root.hash, now=self.now())
        self.memories.append(memory)
        self.desks[name] = Desk(cosigner_key(name), memory, limits or Limits())
        return self.desks[name]

    def close(self) -> None:
        """Close the database's connections and the memories."""
        for memory in self.memories:
            memory.close()
        super().close()

    # What the outside does.

    def open(self, client: str, *, segregation: str = "segregated", branch: int | None = None) -> str:
        """Open a client on a fresh branch; returns its vault."""
        where = next(_BRANCHES) if branch is None else branch
        return self.open_client(client, branch=where, segregation=segregation)

    def pool(self, *names: str) -> str:
        """Open omnibus clients that share a fresh branch; returns their vault."""
        branch = next(_BRANCHES)
        opened = {self.open(name, segregation="omnibus", branch=branch) for name in names}
        return opened.pop()

    def deposit(self, client: str, *amounts_sat: int) -> list[str]:
        """Pay ``client`` once per amount, each to a fresh address, and mine until all is credited."""
        self.stock(self.vaults[client], len(amounts_sat) + 3)
        found = [self.node.send(self.address(client).address, amount) for amount in amounts_sat]
        self.mine(6)
        return found

    def ask(self, client: str, amount_sat: int, **changes: Any) -> Withdrawal:
        """Have the exchange ask for a withdrawal, to an address nobody was paid at before unless told."""
        destination = changes.pop("destination", None) or address(secrets.token_hex(8))
        return self.withdraw(self.withdrawal_request(client, amount_sat, destination=destination, **changes))

    def bump(self, withdrawal: str, sat_vb: int) -> None:
        """Ask for a replacement at this fee rate."""
        with self.db.unit() as unit:
            withdrawals.request_replacement(
                unit.session,
                withdrawal=withdrawal,
                fee_rate=sat_vb * 1000,
                actor="alice",
                correlation_id="test",
                now=unit.now,
            )

    def cancel(self, withdrawal: str) -> Withdrawal:
        """Have an operator cancel it."""
        with self.db.unit() as unit:
            return withdrawals.cancel(unit.session, withdrawal=withdrawal, actor="alice", now=unit.now)

    def freeze_client(self, client: str) -> None:
        """Freeze a client."""
        with self.db.unit() as unit:
            clients.freeze(unit.session, client=client, reason="test", actor="alice", now=unit.now)

    def freeze_vault(self, vault: str) -> None:
        """Freeze a vault."""
        with self.db.unit() as unit:
            vaults.freeze_vault(unit.session, vault=vault, reason="test", actor="alice", now=unit.now)

    def mine(self, blocks: int = 1) -> None:
        """Mine, one block at a time as the world does, and let everything follow."""
        for _ in range(blocks):
            self.node.mine(1)
        self.settle()

    def mine_only(self, *transactions: str) -> None:
        """Mine one block with exactly these transactions, and let everything follow."""
        self.node.mine_only(transactions)
        self.settle()

    # What the daemon and the cosigners do.

    def scan(self) -> None:
        """Read new blocks and the mempool."""
        here = self.runtime.only
        where: dict[str, Any] = {"assets": here.assets, "start_height": here.start_height}
        while movements.scan(here.node, self.db, chain=here.chain, **where).more:
            pass
        watch_mempool(
            here.node, self.db, chain=here.chain, config=here.deposit_rules, seen_before=self._seen, actor="chain"
        )

    def deliver(self, *, topics: Iterable[str] = ()) -> int:
        """Handle what is due in the outbox until nothing is; ``topics`` leaves all others leased. Returns how many."""
        wanted, handled = set(topics), 0
        while messages := self._lease():
            for message in messages:
                if not wanted or message.topic in wanted:
                    self._handle(message)
                    handled += 1
        return handled

    def wake(self) -> None:
        """Let time pass for whatever was postponed or leased: all of it is due."""
        with self.db.unit() as unit:
            unit.session.execute(
                text("UPDATE outbox SET due_at = created_at, leased_until = NULL WHERE done_at IS NULL")
            )

    def bundles_for(self, cosigner: str) -> list[Bundle]:
        """What this cosigner is given: from now on it may have signed."""
        for attempt in self._ungiven():
            with self.db.unit() as unit:
                withdrawals.recall(
                    unit.session,
                    attempt=attempt,
                    trust=trust.in_force(unit.session),
                    correlation_id="test",
                    now=unit.now,
                )
        return self.given_to(cosigner)

    def _ungiven(self) -> list[str]:
        with self.db.unit() as unit:
            every = [keyset.id for keyset in trust.in_force(unit.session).root.keysets]
            return bundle_queries.ungiven(unit.session, keysets=every)

    def given_to(self, cosigner: str) -> list[Bundle]:
        """The same of a daemon that does not ask the policy once more."""
        with self.db.unit() as unit:
            root = trust.in_force(unit.session).root
            theirs = [keyset.id for keyset in root.keysets if keyset.cosigner(cosigner) is not None]
            documents = give_out(unit.session, cosigner=cosigner, keysets=theirs, root=root, now=unit.now)
        return [Bundle.parse(document) for document in documents]

    def cosign(self, *names: str, confirm: Confirm = yes) -> list[Answer]:
        """Every named cosigner (else all) fetches, decides and answers."""
        state_status(self.db)
        answers = []
        for name in names or tuple(self.desks):
            for bundle in self.bundles_for(name):
                answers.append(self.desks[name].answer(bundle, confirm=confirm, clock=self.now))
                self.hand_in(name, answers[-1])
        return answers

    def hand_in(self, name: str, answer: Answer) -> signing.Answer | None:
        """Give the daemon an answer, as the API does; a wait is not handed in."""
        with self.db.unit() as unit:
            if isinstance(answer, Signed):
                return signing.add_signature(
                    unit.session,
                    bundle=answer.bundle,
                    cosigner=name,
                    signed=answer.signed,
                    correlation_id="test",
                    now=unit.now,
                )
            if isinstance(answer, SignedRefusal):
                return signing.add_refusal(
                    unit.session,
                    refusal=answer.refusal,
                    signature=answer.signature,
                    correlation_id="test",
                    now=unit.now,
                )
        return None

    def settle(self, *, cosigners: Iterable[str] | None = None) -> None:
        """Scan, deliver and cosign until nothing moves any more. ``cosigners=()``: nobody comes to sign."""
        names = tuple(self.desks) if cosigners is None else tuple(cosigners)
        for _ in range(ROUNDS):
            before = self.head()
            self.scan()
            self.wake()
            self.deliver()
            if names:
                self.cosign(*names)
            if self.head() == before:
                return
        raise AssertionError(f"still moving after {ROUNDS} rounds")

    # What can be seen.

    def head(self) -> int:
        """The number of audit events: it grows with every change of state."""
        with self.db.unit() as unit:
            return audit.head(unit.session).sequence

    def see(self, withdrawal: str | Withdrawal) -> Withdrawal:
        """The withdrawal as it stands."""
        name = withdrawal if isinstance(withdrawal, str) else withdrawal.id
        with self.db.unit() as unit:
            return queries.get(unit.session, withdrawal=name)

    def state(self, withdrawal: str | Withdrawal) -> str:
        """Its state, as text."""
        return str(self.see(withdrawal).state)

    def steps(self, withdrawal: str | Withdrawal) -> list[Step]:
        """The steps it took."""
        with self.db.unit() as unit:
            return queries.steps(unit.session, withdrawal=self.see(withdrawal).id)

    def attempts(self, withdrawal: str | Withdrawal) -> list[Attempt]:
        """Its attempts, in order."""
        with self.db.unit() as unit:
            return attempts.attempts(unit.session, withdrawal=self.see(withdrawal).id)

    def alarms(self) -> list[str]:
        """The kinds of all alarms, in order."""
        with self.db.unit() as unit:
            return [alarm.kind for alarm in audit.alarms(unit.session)]

    def events(self, subject: str) -> list[str]:
        """The audit events of ``subject``, in order."""
        return [str(row[0]) for row in self.rows("SELECT event FROM audit_events WHERE subject = :s", s=subject)]

    def heard(self, kind: str, subject: str) -> list[Event]:
        """Everything told of one object, oldest first."""
        with self.db.unit() as unit:
            return told.of_subject(unit.session, kind=kind, subject=subject)

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a query."""
        with self.db.unit() as unit:
            return list(unit.session.execute(text(statement), parameters).all())

    def reserved(self) -> int:
        """How many claims are set aside."""
        return int(self.rows("SELECT count(*) FROM reservations")[0][0])

    def paid(self, destination: str) -> list[int]:
        """What stands unspent on chain at an address, in satoshi, as the node says."""
        found = self.node.rpc("scantxoutset", "start", [f"addr({destination})"])
        return sorted(sat(item["amount"]) for item in found["unspents"])

    def reconcile(self) -> RunResult:
        """Compare node, index and ledger now."""
        here = self.runtime.only
        return reconcile(
            here.node,
            self.db,
            chain=here.chain,
            assets=here.assets,
            start_height=here.start_height,
        )

    def check(self) -> None:
        """The oracle: no break, every invariant holds, and nothing that failed to be paid is on the chain."""
        run = self.reconcile()
        assert run.breaks == ()
        self.expect_whole()
        for withdrawal in self.withdrawals():
            expected = [withdrawal.units] if withdrawal.state in ("completed", "confirmed") else []
            found = self.paid(withdrawal.destination)
            # What was swept is ours, and may have been spent again.
            was_spent = withdrawal.kind == "sweep" and not found
            assert was_spent or found == expected, f"{withdrawal.id} is {withdrawal.state}"

    def _lease(self) -> list[Message]:
        with self.db.unit() as unit:
            return outbox.lease(unit.session, now=unit.now, length=timedelta(hours=1), limit=50)

    def _handle(self, message: Message) -> None:
        deliver = delivering.DELIVERIES[message.topic]
        try:
            delivering._with_retries(deliver, self.runtime, message.id)
        except CustodyError as error:
            self.told.append(error)
            delivering._translate(self.runtime, message.topic, message.id, message.attempts, error)


def btc(amount: str) -> int:
    """``"0.25"`` bitcoin in satoshi."""
    whole, _, fraction = amount.partition(".")
    return int(whole) * BTC + int(fraction.ljust(8, "0") or 0)
