"""``python -m demo``: bring everything up, play the story, show the books, and stay (or exit with ``ONCE=1``).

``BRIEF=1`` leaves the story out but for one client and its deposit: the quickest way to a console to look at.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from custody.kernel.errors import CustodyError
from demo import ceremony, find, leaving, newcomer, result, stage, story, story_of_ether
from demo.ceremony import Outcome, Rules
from demo.people import Cosigner, Person, StatusKeeper
from demo.stage import COSIGNERS, Stage
from demo.story import OnBitcoin
from demo.story_of_ether import OnEthereum
from demo.supervisor import Supervisor, run
from demo.tale import Tale

POLICY = Path(__file__).parent.parent / "policies" / "documents" / "demo.yaml"
OPERATORS = ("alice", "bob", "carol")


class Clock:
    """Says what happens with the seconds it happened at, and remembers where the time went."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.parts: dict[str, float] = {}
        self._part_began = self.began

    def tell(self, sentence: str) -> None:
        """One line of the story."""
        print(f"{self.seconds():6.1f} s  {sentence}", flush=True)

    def close(self, part: str) -> None:
        """Everything since the last call was ``part``."""
        now = time.monotonic()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._part_began
        self._part_began = now

    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.began


def play(supervisor: Supervisor) -> int:
    """The whole demonstration; the exit code says whether the books balance."""
    # What is missing is said before anything is started.
    find.every_server()
    clock = Clock()
    print("Custody demo on regtest and anvil: real Postgres, broker, bitcoind, anvil; state in", supervisor.home)
    set_up = stage.start_servers(supervisor)
    clock.close("servers")
    tale = _prepare(set_up, clock)
    clock.close("daemon and ceremony")
    if os.environ.get("BRIEF"):
        _open_clients(tale, only="Acme")
        OnBitcoin(tale).one_deposit()
        leaving.leave(tale)
        supervisor.wait()
        return 0
    _open_clients(tale)
    clock.close("clients")
    for chain in (OnBitcoin(tale), OnEthereum(tale)):
        chain.deposits_arrive()
        clock.close("deposits")
        chain.withdrawals_are_asked_for()
        clock.close("withdrawals")
    tale.finish()
    found = result.gather(set_up, tale)
    clock.close("reconciliation")
    found["seconds"] = round(clock.seconds(), 1)
    result.show(found, clock.parts)
    if os.environ.get("ONCE"):
        result.print_line(found)
        return 0 if found["balanced"] else 1
    leaving.leave(tale)
    supervisor.wait()
    return 0


def _prepare(set_up: Stage, clock: Clock) -> Tale:
    """The daemon starts and the chain is funded while the ceremony is held; none needs the others."""
    policy = newcomer.seat(POLICY.read_text())
    keys = set_up.home / "keys"
    cosigners = [Cosigner.create(name, network, set_up.home / "cosigners") for name, network in COSIGNERS.items()]
    operators = {name: Person.create(name, keys) for name in OPERATORS}
    exchange = Person.create("exchange", keys)
    guest = Person.unkept(newcomer.NAME)
    keeper = StatusKeeper(set_up.home / "status")

    def hold() -> Outcome:
        return ceremony.hold(
            cosigners=cosigners,
            operators=[*operators.values(), guest],
            requester=exchange,
            keeper=keeper,
            rules=Rules(policy, set_up.assets, set_up.console, newcomer.COOLING_SECONDS),
            folder=set_up.home / "ceremony",
            go_on=set_up.supervisor.expect_going,
        )

    with ThreadPoolExecutor(max_workers=2) as pool:
        held, funded = pool.submit(hold), pool.submit(set_up.bitcoind.fund)
        stage.start_daemon(set_up)
        funded.result()
        outcome = held.result()
    ceremony.install(set_up.runtime.database, outcome, policy_text=policy)
    clock.tell("three cosigners made an encrypted key for each chain and proved them: a 2-of-3 keyset on both")
    clock.tell(f"operators and cosigners signed one trust root; everybody compared its code: {outcome.code}")
    stage.start_keeper(set_up, keeper)
    clock.tell("a status service of its own says every few seconds what was taken back; nobody signs without")
    stage.start_cosigners(set_up, cosigners)
    return Tale(set_up, outcome, exchange, operators, clock.tell)


def _open_clients(tale: Tale, *, only: str = "") -> None:
    """Segregated and omnibus on both chains; an operator approves each; each gets an address of its own."""
    runtime = tale.stage.runtime
    places = [(runtime.chosen("regtest").chain, client) for client in story.CLIENTS]
    places += [(runtime.chosen("anvil").chain, client) for client in story_of_ether.CLIENTS]
    asked = [tale.ask_to_open(*client, chain=chain) for chain, client in places if only in ("", client[0])]
    for digest in asked:
        tale.speak("approve", digest, "alice")
    for _, (name, segregation, _) in places:
        if name in tale.clients:
            tale.tell(f"{name} ({segregation}) deposits to {tale.await_address(name)}")


def main() -> int:
    """Run the demonstration under a supervisor; failures are one line."""
    try:
        return run(play)
    except CustodyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
