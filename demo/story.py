"""The story on Bitcoin: four clients, five deposits, five withdrawals, one reorganisation, one killed worker."""

from __future__ import annotations

from dataclasses import dataclass

from custody.kernel.money import Asset
from demo.child import ServerFailed
from demo.servers import Bitcoind
from demo.tale import Tale, units

CLIENTS = (("Acme", "segregated", 0), ("Borealis", "segregated", 1), ("Cobalt", "omnibus", 2), ("Dune", "omnibus", 2))
MAX_FEE_SAT = 30_000


@dataclass
class OnBitcoin:
    """What happens to the clients who have bitcoin."""

    tale: Tale

    @property
    def node(self) -> Bitcoind:
        """The node."""
        return self.tale.stage.bitcoind

    @property
    def asset(self) -> Asset:
        """Bitcoin."""
        return self.tale.stage.bitcoin

    def deposits_arrive(self) -> None:
        """Two to one address, one dust, one reorganised away before it is credited and mined again later."""
        tale, node = self.tale, self.node
        for name, amount in (("Acme", "0.5"), ("Acme", "0.25"), ("Cobalt", "0.3"), ("Dune", "0.2")):
            node.send(tale.addresses[name], units(amount, self.asset))
        node.send(tale.new_address("Cobalt"), 600)
        lost = node.send(tale.addresses["Borealis"], units("0.4", self.asset))
        node.mine(1)
        tale.await_deposit("Borealis", lost, "confirming")
        tale.tell("six payments are in a block: two for Acme, one for each other, and 600 satoshi of dust")
        kept = [txid for txid in node.rpc("getblock", node.rpc("getbestblockhash"))["tx"][1:] if txid != lost]
        node.reorg(1, transactions=kept)
        tale.await_deposit("Borealis", lost, "orphaned", "seen")
        tale.tell(
            "a reorganisation took Borealis's payment out of the chain: nothing had been credited, nothing to undo"
        )
        node.mine(4)
        for name, amount in (("Acme", "0.75"), ("Cobalt", "0.3"), ("Dune", "0.2"), ("Borealis", "0.4")):
            tale.await_available(name, amount, self.asset)
        tale.tell("after the confirmations each client is credited exactly what arrived; the dust waits in suspense")

    def one_deposit(self) -> None:
        """Half a bitcoin for Acme."""
        self.node.send(self.tale.addresses["Acme"], units("0.5", self.asset))
        self.node.mine(4)
        self.tale.await_available("Acme", "0.5", self.asset)
        self.tale.tell("Acme's deposit of 0.5 BTC is credited")

    def withdrawals_are_asked_for(self) -> None:
        """One allowed, one that takes two operators, one rejected, one denied, one stuck and bumped."""
        tale = self.tale
        allowed = self._withdraw("Dune", "0.02", "allowed")
        two = self._withdraw("Borealis", "0.1", "two operators")
        refused = self._withdraw("Cobalt", "0.08", "one says no")
        denied = self._withdraw("Acme", "1.5", "too much")
        tale.tell("four withdrawals asked for: Dune 0.02, Borealis 0.10, Cobalt 0.08, Acme 1.50 BTC")
        tale.expect(denied, "denied")
        tale.tell(f"the policy answers Acme's at once: {tale.view(denied)['reason']}")
        tale.reject_withdrawal(refused, "carol")
        tale.await_state(refused, "rejected")
        tale.tell("Cobalt's is rejected by carol; its money is free again")
        tale.kill_a_worker()
        tale.approve_withdrawal(two, "alice", "bob")
        tale.tell("Borealis's is approved by alice and bob, who signed its digest with their own keys")
        for withdrawal in (allowed, two):
            tale.await_state(withdrawal, "broadcast")
        tale.tell("cosigners checked everything themselves and signed; both payments are broadcast")
        self.node.mine(4)
        for withdrawal in (allowed, two):
            tale.await_state(withdrawal, "completed")
        tale.tell("both are confirmed and completed; each client bore its own network fee to the satoshi")
        self._bump()

    def _bump(self) -> None:
        tale = self.tale
        stuck = self._withdraw("Acme", "0.03", "stuck")
        tale.await_state(stuck, "broadcast")
        first = tale.view(stuck)["attempts"][-1]["txid"]
        self.node.mine_only()
        tale.tell("Acme withdraws 0.03 BTC, but its fee is low and the next block passes it by")
        tale.stage.api("alice").post(f"/v1/withdrawals/{stuck}/replacements", {"fee_rate_sat_vb": 25})
        tale.wait_for(
            lambda: any(item["txid"] != first and item["state"] == "sent" for item in tale.view(stuck)["attempts"]),
            "the replacement sent",
        )
        self.node.mine(4)
        tale.await_state(stuck, "completed")
        if tale.view(stuck)["txid"] == first:
            raise ServerFailed("the first attempt confirmed, not its replacement", field="bump")
        tale.withdrawals["bumped"] += 1
        tale.tell("alice asks for a higher fee: the same payment, the same coins; the replacement confirms, once")

    def _withdraw(self, name: str, amount: str, purpose: str) -> str:
        to = self.node.wallet("faucet").new_address()
        return self.tale.withdraw(name, amount, self.asset, purpose, to=to, max_fee=MAX_FEE_SAT)
