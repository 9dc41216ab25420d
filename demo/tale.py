"""A story as far as it has been told, and what its people do: open, deposit to, ask, approve, reject, wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from custody.evidence.requests import ClientOpeningRequest, WithdrawalRequest
from custody.kernel.clock import parse_rfc3339
from custody.kernel.ids import new_id
from custody.kernel.money import Asset, parse_decimal
from demo.ceremony import Outcome
from demo.child import ServerFailed
from demo.people import ApiSaidNo, Person, in_an_hour, in_days
from demo.stage import Stage

LIMIT_SECONDS = 60.0


@dataclass
class Tale:
    """Whose story it is, and how to go on with it."""

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

    def finish(self) -> None:
        """Count how the withdrawals ended."""
        for view in self.stage.api("alice").get("/v1/withdrawals")["withdrawals"]:
            if view["status"] in self.withdrawals:
                self.withdrawals[view["status"]] += 1

    def kill_a_worker(self) -> None:
        """SIGKILL to one of them; the supervisor brings it back."""
        worker = self.stage.workers[0]
        worker.kill()
        self.worker_kills += 1
        self.tell(f"{worker.name} is killed with SIGKILL in the middle of it; nothing is lost with it")

    # Clients and their addresses.

    def ask_to_open(self, name: str, segregation: str, branch: int, *, chain: str) -> str:
        """Ask for a client on the keyset of that chain; returns the digest an operator approves."""
        client = new_id("cli", in_an_hour())
        self.clients[name] = client
        request = ClientOpeningRequest(
            requester=self.exchange.name,
            client=client,
            name=name,
            segregation=segregation,
            keyset=self.ceremony.keyset_on(chain).id,
            branch=branch,
            not_after=in_an_hour(),
            idempotency_key=f"open-{client}",
        )
        answer = self.stage.api("exchange").post("/v1/clients", self.exchange.ask(request))
        return str(answer["digest"])

    def await_address(self, name: str) -> str:
        """The first address of a client, as soon as it is open and has one in stock."""

        def is_open() -> bool:
            found = self.stage.api("exchange").get("/v1/clients")["clients"]
            return any(item["id"] == self.clients[name] for item in found)

        self.wait_for(is_open, f"{name} open")
        self.addresses[name] = self.new_address(name)
        return self.addresses[name]

    def new_address(self, name: str) -> str:
        """Another address of a client."""
        found: list[str] = []

        def handed_out() -> bool:
            try:
                answer = self.stage.api("exchange").post(f"/v1/clients/{self.clients[name]}/addresses", {})
            except ApiSaidNo as problem:
                if problem.facts["status"] == 503:
                    return False
                raise
            found.append(str(answer["address"]))
            return True

        self.wait_for(handed_out, f"an address for {name}")
        return found[-1]

    # What comes in.

    def deposits_of(self, name: str) -> list[dict[str, Any]]:
        """The client's deposits, as the API shows them."""
        found: list[dict[str, Any]] = self.stage.api("exchange").get(f"/v1/clients/{self.clients[name]}/deposits")[
            "deposits"
        ]
        return found

    def await_deposit(self, name: str, txid: str, *states: str) -> None:
        """Wait until the deposit by that transaction is in one of ``states``."""
        self.wait_for(
            lambda: any(item["txid"] == txid and item["status"] in states for item in self.deposits_of(name)),
            f"{name}: its deposit {' or '.join(states)}",
        )

    def await_available(self, name: str, amount: str, asset: Asset) -> None:
        """Wait until the client may use exactly that much."""
        want = str(units(amount, asset))

        def is_there() -> bool:
            view = self.stage.api("exchange").get(f"/v1/clients/{self.clients[name]}")
            return any(
                item["asset"]["id"] == asset.id and item["available"]["base_units"] == want for item in view["balances"]
            )

        self.wait_for(is_there, f"{amount} {asset.code} available to {name}")

    # What goes out.

    def withdraw(
        self, name: str, amount: str, asset: Asset, purpose: str, *, to: str, max_fee: int, days: int = 0
    ) -> str:
        """The exchange asks for a payment, to be agreed to within ``days`` or an hour; the withdrawal's id."""
        request = WithdrawalRequest(
            requester=self.exchange.name,
            client=self.clients[name],
            asset=asset.id,
            amount=units(amount, asset),
            destination=to,
            max_fee=max_fee,
            purpose=purpose,
            not_after=in_days(days) if days else in_an_hour(),
            idempotency_key=f"{name}-{purpose}".replace(" ", "-"),
        )
        answer = self.stage.api("exchange").post("/v1/withdrawals", self.exchange.ask(request))
        return str(answer["id"])

    def view(self, withdrawal: str) -> Any:
        """A withdrawal, as the API shows it."""
        return self.stage.api("alice").get(f"/v1/withdrawals/{withdrawal}")

    def approve_withdrawal(self, withdrawal: str, *operators: str) -> None:
        """These operators sign its intent's digest."""
        for operator in operators:
            self.speak("approve", str(self.view(withdrawal)["intent_digest"]), operator)

    def reject_withdrawal(self, withdrawal: str, operator: str) -> None:
        """An operator says no."""
        self.speak("reject", str(self.view(withdrawal)["intent_digest"]), operator)

    def speak(self, verdict: str, digest: str, operator: str) -> None:
        """Sign and post a verdict on an intent."""
        api = self.stage.api(operator)
        not_after = api.get(f"/v1/intents/{digest}")["document"]["request"]["not_after"]
        until = min(parse_rfc3339(not_after, field="not_after"), in_an_hour())
        body = self.operators[operator].say(verdict, digest, until=until)
        api.post(f"/v1/intents/{digest}/approvals", body)

    def expect(self, withdrawal: str, status: str) -> None:
        """It is so already."""
        found = self.view(withdrawal)["status"]
        if found != status:
            raise ServerFailed(f"is {found}, not {status}", field="withdrawal")

    def await_state(self, withdrawal: str, *states: str) -> None:
        """Wait until it is in one of ``states``."""
        self.wait_for(lambda: self.view(withdrawal)["status"] in states, f"withdrawal {' or '.join(states)}")

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Look often; raises ``ServerFailed`` when it did not happen in time."""
        limit = time.monotonic() + LIMIT_SECONDS
        while not condition():
            if time.monotonic() > limit:
                raise ServerFailed(f"did not happen within {LIMIT_SECONDS:g} s: {what}", field="story")
            time.sleep(0.05)


def units(amount: str, asset: Asset) -> int:
    """``"0.5"`` of an asset in its base unit."""
    return parse_decimal(amount, asset, field="amount").units
