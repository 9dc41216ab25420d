"""Both roads in stages. A stage prepares the house up to where it begins, without a daemon; then the daemon starts,
armed, and the road is gone to its end. So the point is passed at the moment that matters and not at some other one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from custody.jobs import operations as jobs
from custody.jobs import queries as job_queries
from custody.jobs.model import AddressesAsked, Job
from custody.ledger import queries as ledger
from custody.restore import operations as restore
from custody.restore import queries as restorations
from custody.spends import queries as spends
from custody.spends.model import Attempt
from custody.vaults import queries as vaults
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State
from demo.people import ApiSaidNo
from tests.cosigner.builders import address
from tests.crash.live import Live

CLIENT = "acme"
DEPOSIT_SAT = 20_000_000
LARGE_SAT = 6_000_000
"""Two operators must agree."""
SMALL_SAT = 2_000_000
"""Nobody needs to be asked."""
DEPOSIT_DEPTH, PAYMENT_DEPTH = 3, 2


class Journey:
    """One client's money on its way, through one house."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.destination = address(f"destination of {live.name}")
        self.deposited = ""
        """The deposit's transaction."""

    # What is prepared, before any process runs.

    def open(self) -> str:
        """The client, open, with an address."""
        house = self.live.house
        house.open_client(CLIENT, branch=7)
        found = house.address(CLIENT)
        self.live.deliver()
        return found.address

    def deposit(self, deposit_address: str, *, blocks: int) -> None:
        """A deposit, ``blocks`` deep: all but the last are read."""
        self.deposited = self.live.chain.send(deposit_address, DEPOSIT_SAT)
        if blocks:
            self.mine_unread(self.deposited, blocks=blocks)

    def fund(self) -> None:
        """The client with a credited deposit."""
        self.deposit(self.open(), blocks=DEPOSIT_DEPTH)
        self.live.scan()
        assert self.live.house.balance(CLIENT) == (DEPOSIT_SAT, 0)

    def mine_unread(self, *txids: str, blocks: int) -> None:
        """Mine these and blocks on top; the daemon will find the last one as the first that it has not read."""
        with self.live.chain.still:
            for number in range(blocks):
                self.live.scan()
                self.live.chain.mine(*(txids if number == 0 else ()))

    def pay(self) -> None:
        """A small withdrawal that was broadcast, all by direct calls."""
        house = self.live.house
        house.withdraw(self.request(SMALL_SAT))
        self.live.deliver()
        self.live.sign_here()
        self.live.deliver()
        assert self.withdrawal().state == State.BROADCAST

    # What is asked of the running daemon.

    def request(self, amount_sat: int) -> Any:
        """The exchange's request; the same every time, as a client's retry is."""
        return self.live.house.withdrawal_request(
            CLIENT, amount_sat, destination=self.destination, idempotency_key=f"pay-{self.live.name}"
        )

    def ask_for(self, amount_sat: int) -> str:
        """Ask for a withdrawal; returns its intent's digest."""
        body = self.live.house.body(self.request(amount_sat))
        answer = self.live.ask("exchange", "POST", "/v1/withdrawals", body)
        return str(answer["intent_digest"])

    def say(self, digest: str, *people: str, verdict: str = "approve") -> None:
        """These operators approve or reject."""
        for person in people:
            body = self.live.house.approval(person, digest, verdict=verdict).to_json()
            try:
                self.live.ask(person, "POST", f"/v1/intents/{digest}/approvals", body)
            except ApiSaidNo as problem:
                self._expect_heard(problem, digest, person)

    def _expect_heard(self, problem: ApiSaidNo, digest: str, person: str) -> None:
        """A word counts once: whoever lost the answer and says it again is told so, and looks it up."""
        assert problem.facts["status"] == 409, problem
        found = self.live.ask(person, "GET", f"/v1/intents/{digest}")["approvals"]
        assert [item["approver"] for item in found].count(person) == 1

    def until_state(self, *states: State) -> None:
        """Wait until the withdrawal is in one of ``states``, signing whatever comes."""

        def arrived() -> bool:
            self.live.sign()
            return self.withdrawal().state in states

        self.live.until(arrived, f"withdrawal {' or '.join(states)}")

    def until_confirmed(self, *, blocks: int) -> None:
        """Mine ``blocks`` more and wait until the withdrawal is completed."""
        for _ in range(blocks):
            self.live.chain.mine()
        self.live.until(lambda: self.withdrawal().state == State.COMPLETED, "withdrawal completed")

    def until_credited(self) -> None:
        """Wait until the deposit is available."""
        self.live.until(lambda: self.live.house.balance(CLIENT) == (DEPOSIT_SAT, 0), "deposit credited")

    def bump(self) -> Attempt:
        """Ask for a higher fee and wait until the replacement is sent."""
        path = f"/v1/withdrawals/{self.withdrawal().id}/replacements"
        self.live.ask("alice", "POST", path, {"fee_rate_sat_vb": 25})

        def replaced() -> bool:
            self.live.sign()
            found = self.attempts()
            return len(found) > 1 and found[-1].state == "sent"

        self.live.until(replaced, "replacement sent")
        return self.attempts()[-1]

    # What is there.

    def withdrawal(self) -> Withdrawal:
        """The only one there is."""
        (found,) = self.live.house.withdrawals()
        return found

    def attempts(self) -> list[Attempt]:
        """Its attempts, oldest first."""
        with self.live.house.db.unit() as unit:
            return spends.attempts(unit.session, withdrawal=self.withdrawal().id)

    def expect_paid_once(self, amount_sat: int) -> None:
        """One confirmed transaction pays the destination, and the client's books say exactly that."""
        self.live.expect_sound()
        found = self.withdrawal()
        paying = self.live.chain.payments(self.destination, since_height=self.live.start_height)
        assert paying == [found.txid]
        assert found.fee_units is not None
        assert self.live.house.balance(CLIENT) == (DEPOSIT_SAT - amount_sat - found.fee_units, 0)
        assert self._hold() == ("posted", amount_sat + found.fee_units)

    def expect_unpaid(self, *, alarms: frozenset[str] = frozenset()) -> None:
        """Nothing was paid and all of the money is the client's to use."""
        self.live.expect_sound(alarms=alarms)
        assert self.live.chain.payments(self.destination, since_height=self.live.start_height) == []
        assert self.live.house.balance(CLIENT) == (DEPOSIT_SAT, 0)
        assert self._hold() == ("voided", None)

    def expect_credited_once(self, *, alarms: frozenset[str] = frozenset()) -> None:
        """The deposit is in the books once, to the satoshi."""
        self.live.expect_sound(alarms=alarms)
        assert self.live.house.balance(CLIENT) == (DEPOSIT_SAT, 0)

    def _hold(self) -> tuple[str, int | None]:
        found = self.withdrawal()
        assert found.hold is not None
        with self.live.house.db.unit() as unit:
            hold = ledger.find_hold(unit.session, hold_id=found.hold)
        assert hold is not None
        return str(hold.state), hold.settled.units if hold.settled else None


# The stages. Each gets a house with nothing in it, and the point at which the daemon is to die.


def opening(live: Live, crash_at: str) -> None:
    """Asking for a client, approving it, and the first address out of its stock."""
    house = live.house
    live.launch(crash_at=crash_at)
    body = house.body(house.opening_request(CLIENT, branch=7))
    digest = str(live.ask("exchange", "POST", "/v1/clients", body)["digest"])
    Journey(live).say(digest, "alice")
    live.until(lambda: bool(live.ask("exchange", "GET", "/v1/clients")["clients"]), "client open")
    first, second = (live.ask("exchange", "POST", f"/v1/clients/{CLIENT}/addresses")["address"] for _ in range(2))
    assert first != second
    job = _ask_for_addresses(live, 3)
    live.until(lambda: _job(live, job).state == "completed", "addresses handed out")
    live.expect_sound()


def _ask_for_addresses(live: Live, count: int) -> str:
    with live.house.db.unit() as unit:
        (vault,) = vaults.of_client(unit.session, client=CLIENT)
        asked = jobs.ask_for_addresses(
            unit.session,
            asked=AddressesAsked(CLIENT, vault.id, count),
            requester="exchange",
            idempotency_key="many",
            correlation_id="crash",
            now=unit.now,
        )
    return asked.job.id


def _job(live: Live, job: str) -> Job:
    with live.house.db.unit() as unit:
        return job_queries.get(unit.session, job=job)


def arrival(live: Live, crash_at: str) -> None:
    """A deposit waits in the mempool when the daemon starts."""
    journey = Journey(live)
    journey.deposit(journey.open(), blocks=0)
    live.launch(crash_at=crash_at)
    live.until(lambda: _deposit_state(live) == "seen", "deposit seen")
    live.chain.mine(journey.deposited)
    live.until(lambda: _deposit_state(live) == "confirming", "deposit in a block")
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    journey.until_credited()
    journey.expect_credited_once()


def inclusion(live: Live, crash_at: str) -> None:
    """The block with the deposit is the first that the daemon reads."""
    journey = Journey(live)
    journey.deposit(journey.open(), blocks=1)
    live.launch(crash_at=crash_at)
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    journey.until_credited()
    journey.expect_credited_once()


def credit(live: Live, crash_at: str) -> None:
    """The block that makes the deposit deep enough is the first that the daemon reads."""
    journey = Journey(live)
    journey.deposit(journey.open(), blocks=DEPOSIT_DEPTH)
    live.launch(crash_at=crash_at)
    journey.until_credited()
    journey.expect_credited_once()


def payment(live: Live, crash_at: str) -> None:
    """From the request over approvals and signatures to the network."""
    journey = Journey(live)
    journey.fund()
    live.launch(crash_at=crash_at)
    journey.say(journey.ask_for(LARGE_SAT), "alice", "bob")
    journey.until_state(State.BROADCAST)
    live.chain.mine(str(journey.withdrawal().txid))
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(LARGE_SAT)


def replacement(live: Live, crash_at: str) -> None:
    """A payment is stuck; the fee is raised, and the replacement is what confirms."""
    journey = Journey(live)
    journey.fund()
    journey.pay()
    live.launch(crash_at=crash_at)
    replaced = journey.bump()
    live.chain.mine(replaced.spend)
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    assert journey.withdrawal().txid == replaced.spend
    journey.expect_paid_once(SMALL_SAT)


def confirmation(live: Live, crash_at: str) -> None:
    """The block with the payment is the first that the daemon reads."""
    journey = Journey(live)
    journey.fund()
    journey.pay()
    journey.mine_unread(str(journey.withdrawal().txid), blocks=1)
    live.launch(crash_at=crash_at)
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(SMALL_SAT)


def completion(live: Live, crash_at: str) -> None:
    """The block that makes the payment deep enough is the first that the daemon reads."""
    journey = Journey(live)
    journey.fund()
    journey.pay()
    journey.mine_unread(str(journey.withdrawal().txid), blocks=PAYMENT_DEPTH)
    live.launch(crash_at=crash_at)
    journey.until_confirmed(blocks=0)
    journey.expect_paid_once(SMALL_SAT)


def rejection(live: Live, crash_at: str) -> None:
    """An operator says no."""
    journey = Journey(live)
    journey.fund()
    live.launch(crash_at=crash_at)
    journey.say(journey.ask_for(LARGE_SAT), "carol", verdict="reject")
    journey.until_state(State.REJECTED)
    journey.expect_unpaid()


def refusal(live: Live, crash_at: str) -> None:
    """The cosigners refuse to sign."""
    journey = Journey(live)
    journey.fund()
    live.keyholders.agree = False
    live.launch(crash_at=crash_at)
    journey.ask_for(SMALL_SAT)
    journey.until_state(State.FAILED)
    journey.expect_unpaid(alarms=frozenset({"cosigner-refused"}))


def undone_deposit(live: Live, crash_at: str) -> None:
    """A reorganisation took a credited deposit away; it is mined again."""
    journey = Journey(live)
    journey.fund()
    live.chain.node.reorg(DEPOSIT_DEPTH)
    live.launch(crash_at=crash_at)
    live.until(lambda: live.house.balance(CLIENT) == (0, 0), "deposit reversed")
    live.chain.mine(journey.deposited)
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    journey.until_credited()
    journey.expect_credited_once(alarms=frozenset({"deposit-reversed", "client-frozen"}))


def undone_payment(live: Live, crash_at: str) -> None:
    """A reorganisation took a completed payment out; it is mined again."""
    journey = Journey(live)
    journey.fund()
    journey.pay()
    paid = str(journey.withdrawal().txid)
    journey.mine_unread(paid, blocks=PAYMENT_DEPTH)
    live.scan()
    assert journey.withdrawal().state == State.COMPLETED
    live.chain.node.reorg(PAYMENT_DEPTH)
    live.launch(crash_at=crash_at)
    journey.until_state(State.BROADCAST)
    live.chain.mine(paid)
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(SMALL_SAT)


def restored(live: Live, crash_at: str) -> None:
    """The database came back from a backup: what may have been shown since is watched, and the chain read again."""
    journey = Journey(live)
    journey.fund()
    with live.house.db.unit() as unit:
        restore.declare(unit.session, reason="a backup", actor="operator", now=unit.now, gap=20)
    live.may_end = frozenset({"replay"})
    live.launch("replay", crash_at=crash_at)
    live.until(lambda: _is_watched(live), "everything that may have been shown watched")
    live.halt()
    with live.chain.still:
        live.scan()
        live.reconcile()
        with live.house.db.unit() as unit:
            restore.finish(
                unit.session,
                heights={live.house.runtime.only.chain: live.chain.height()},
                actor="operator",
                now=unit.now,
            )
    live.deliver()
    journey.expect_credited_once(alarms=frozenset({"restoring"}))


Stage = Callable[[Live, str], None]
ON_A_CHAIN_OF_ITS_OWN: frozenset[Stage] = frozenset({undone_deposit, undone_payment})


def _deposit_state(live: Live) -> str:
    found = live.ask("exchange", "GET", f"/v1/clients/{CLIENT}/deposits")["deposits"]
    return str(found[0]["status"]) if found else "unknown"


def _is_watched(live: Live) -> bool:
    with live.house.db.unit() as unit:
        found = restorations.current(unit.session)
    return found is not None and found.watched_at is not None
