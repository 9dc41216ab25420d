"""The story: four clients, five deposits, five withdrawals, one reorg, one killed worker, and books that balance."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from custody.evidence.requests import ClientOpeningRequest, WithdrawalRequest
from custody.kernel.clock import parse_rfc3339
from custody.kernel.ids import new_id
from custody.kernel.money import format_decimal
from demo.ceremony import Outcome
from demo.child import ServerFailed
from demo.people import Person, in_an_hour
from demo.stage import Stage

LIMIT_SECONDS = 60.0
CLIENTS = (("Acme", "segregated", 0), ("Borealis", "segregated", 1), ("Cobalt", "omnibus", 2), ("Dune", "omnibus", 2))


@dataclass
class Tale:
    """The story as far as it has been told."""

    stage: Stage
    ceremony: Outcome
    exchange: Person
    operators: dict[str, Person]
    tell: Callable[[str], None]
    clients: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    withdrawals: dict[str, int] = field(
        default_factory=lambda: {"completed": 0, "denied": 0, "rejected": 0, "bumped": 0}
    )
    worker_kills: int = 0

    def open_clients(self) -> None:
        """Two segregated, two omnibus; an operator approves each; each gets an address of its own."""
        asked = {name: self._ask_to_open(name, segregation, branch) for name, segregation, branch in CLIENTS}
        for digest in asked.values():
            self._approve(digest, "alice")
        for name, segregation, _ in CLIENTS:
            address = self._await_address(name)
            self.tell(f"{name} ({segregation}) deposits to {address}")

    def deposits_arrive(self) -> None:
        """Two to one address, one dust, one reorganised away before it is credited and mined again later."""
        node = self.stage.bitcoind
        for name, amount in (("Acme", "0.50000000"), ("Acme", "0.25000000"), ("Cobalt", "0.30000000")):
            node.send(self.addresses[name], _sat(amount))
        node.send(self.addresses["Dune"], _sat("0.20000000"))
        node.send(self._new_address("Cobalt"), 600)
        lost = node.send(self.addresses["Borealis"], _sat("0.40000000"))
        node.mine(1)
        self._await("Borealis", lambda view: _state_of(view, lost) == "confirming", "its deposit seen")
        self.tell("six payments are in a block: two for Acme, one for each other, and 600 satoshi of dust")
        kept = [txid for txid in node.rpc("getblock", node.rpc("getbestblockhash"))["tx"][1:] if txid != lost]
        node.reorg(1, transactions=kept)
        self._await("Borealis", lambda view: _state_of(view, lost) in ("orphaned", "seen"), "its deposit gone")
        self.tell(
            "a reorganisation took Borealis's payment out of the chain: nothing had been credited, nothing to undo"
        )
        node.mine(4)
        for name, amount in (("Acme", "0.75"), ("Cobalt", "0.3"), ("Dune", "0.2"), ("Borealis", "0.4")):
            self._await_available(name, amount)
        self.tell("after the confirmations each client is credited exactly what arrived; the dust waits in suspense")

    def withdrawals_are_asked_for(self) -> None:
        """One allowed, one that takes two operators, one rejected, one denied, one stuck and bumped."""
        node = self.stage.bitcoind
        allowed = self._withdraw("Dune", "0.02000000", "allowed")
        two = self._withdraw("Borealis", "0.10000000", "two operators")
        refused = self._withdraw("Cobalt", "0.08000000", "one says no")
        denied = self._withdraw("Acme", "1.50000000", "too much")
        self.tell("four withdrawals asked for: Dune 0.02, Borealis 0.10, Cobalt 0.08, Acme 1.50 BTC")
        self._expect(denied, "denied")
        self.tell(f"the policy answers Acme's at once: {self._view(denied)['reason']}")
        self._reject(self._digest(refused), "carol")
        self._await_state(refused, "rejected")
        self.tell("Cobalt's is rejected by carol; its money is free again")
        self._kill_a_worker()
        self._approve(self._digest(two), "alice")
        self._approve(self._digest(two), "bob")
        self.tell("Borealis's is approved by alice and bob, who signed its digest with their own keys")
        for withdrawal in (allowed, two):
            self._await_state(withdrawal, "broadcast")
        self.tell("cosigners checked everything themselves and signed; both payments are broadcast")
        node.mine(4)
        for withdrawal in (allowed, two):
            self._await_state(withdrawal, "completed")
        self.tell("both are confirmed and completed; each client bore its own network fee to the satoshi")
        self._bump()

    def _bump(self) -> None:
        node = self.stage.bitcoind
        stuck = self._withdraw("Acme", "0.03000000", "stuck")
        self._await_state(stuck, "broadcast")
        first = self._view(stuck)["attempts"][-1]["txid"]
        node.mine_only()
        self.tell("Acme withdraws 0.03 BTC, but its fee is low and the next block passes it by")
        self.stage.api("alice").post(f"/v1/withdrawals/{stuck}/replacements", {"fee_rate_sat_vb": 25})
        self._wait_for(
            lambda: any(item["txid"] != first and item["state"] == "sent" for item in self._view(stuck)["attempts"]),
            "the replacement sent",
        )
        node.mine(4)
        self._await_state(stuck, "completed")
        paid = self._view(stuck)["txid"]
        if paid == first:
            raise ServerFailed("the first attempt confirmed, not its replacement", field="bump")
        self.withdrawals["bumped"] += 1
        self.tell("alice asks for a higher fee: the same payment, the same coins; the replacement confirms, once")

    def finish(self) -> None:
        """Count how the withdrawals ended."""
        for view in self.stage.api("alice").get("/v1/withdrawals")["withdrawals"]:
            if view["status"] in self.withdrawals:
                self.withdrawals[view["status"]] += 1

    def _kill_a_worker(self) -> None:
        worker = self.stage.workers[0]
        worker.kill()
        self.worker_kills += 1
        self.tell(f"{worker.name} is killed with SIGKILL in the middle of it; nothing is lost with it")

    def _ask_to_open(self, name: str, segregation: str, branch: int) -> str:
        client = new_id("cli", in_an_hour())
        self.clients[name] = client
        request = ClientOpeningRequest(
            requester=self.exchange.name,
            client=client,
            name=name,
            segregation=segregation,
            keyset=self.ceremony.keyset.id,
            branch=branch,
            not_after=in_an_hour(),
            idempotency_key=f"open-{client}",
        )
        answer = self.stage.api("exchange").post("/v1/clients", self.exchange.ask(request))
        return str(answer["digest"])

    def _withdraw(self, name: str, amount: str, purpose: str) -> str:
        request = WithdrawalRequest(
            requester=self.exchange.name,
            client=self.clients[name],
            asset=self.stage.runtime.only.addressing.native.id,
            amount=_sat(amount),
            destination=self.stage.bitcoind.wallet("faucet").new_address(),
            max_fee=30_000,
            purpose=purpose,
            not_after=in_an_hour(),
            idempotency_key=f"{name}-{purpose}".replace(" ", "-"),
        )
        answer = self.stage.api("exchange").post("/v1/withdrawals", self.exchange.ask(request))
        return str(answer["id"])

    def _approve(self, digest: str, operator: str) -> None:
        self._speak("approve", digest, operator)

    def _reject(self, digest: str, operator: str) -> None:
        self._speak("reject", digest, operator)

    def _speak(self, verdict: str, digest: str, operator: str) -> None:
        api = self.stage.api(operator)
        not_after = api.get(f"/v1/intents/{digest}")["document"]["request"]["not_after"]
        until = min(parse_rfc3339(not_after, field="not_after"), in_an_hour())
        body = self.operators[operator].say(verdict, digest, until=until)
        api.post(f"/v1/intents/{digest}/approvals", body)

    def _await_address(self, name: str) -> str:
        path = f"/v1/clients/{self.clients[name]}"

        def is_open() -> bool:
            found = self.stage.api("exchange").get("/v1/clients")["clients"]
            return any(item["id"] == self.clients[name] for item in found)

        self._wait_for(is_open, f"{name} open at {path}")
        self.addresses[name] = self._new_address(name)
        return self.addresses[name]

    def _new_address(self, name: str) -> str:
        found: list[str] = []

        def handed_out() -> bool:
            try:
                answer = self.stage.api("exchange").post(f"/v1/clients/{self.clients[name]}/addresses", {})
            except Exception as error:
                if getattr(error, "facts", {}).get("status") == 503:
                    return False
                raise
            found.append(str(answer["address"]))
            return True

        self._wait_for(handed_out, f"an address for {name}")
        return found[-1]

    def _await_available(self, name: str, amount: str) -> None:
        want = str(_sat(amount))

        def is_there() -> bool:
            view = self.stage.api("exchange").get(f"/v1/clients/{self.clients[name]}")
            return any(item["available"]["base_units"] == want for item in view["balances"])

        self._wait_for(is_there, f"{amount} BTC available to {name}")

    def _await(self, name: str, condition: Callable[[Any], bool], what: str) -> None:
        path = f"/v1/clients/{self.clients[name]}/deposits"
        self._wait_for(lambda: condition(self.stage.api("exchange").get(path)["deposits"]), f"{name}: {what}")

    def _view(self, withdrawal: str) -> Any:
        return self.stage.api("alice").get(f"/v1/withdrawals/{withdrawal}")

    def _digest(self, withdrawal: str) -> str:
        return str(self._view(withdrawal)["intent_digest"])

    def _expect(self, withdrawal: str, status: str) -> None:
        found = self._view(withdrawal)["status"]
        if found != status:
            raise ServerFailed(f"is {found}, not {status}", field="withdrawal")

    def _await_state(self, withdrawal: str, status: str) -> None:
        self._wait_for(lambda: self._view(withdrawal)["status"] == status, f"withdrawal {status}")

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + LIMIT_SECONDS
        while not condition():
            if time.monotonic() > limit:
                raise ServerFailed(f"did not happen within {LIMIT_SECONDS:g} s: {what}", field="story")
            time.sleep(0.05)


def _sat(amount: str) -> int:
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(8, "0"))


def _state_of(deposits: Any, txid: str) -> str:
    return next((str(item["status"]) for item in deposits if item["txid"] == txid), "unknown")


def in_btc(units: str, asset: Any) -> str:
    """Base units as people read them."""
    return format_decimal(int(units), asset)
