"""The story on Ethereum: two clients with ether and a token, at addresses that exist before their contracts do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from custody.chains.ethereum.offline.address import checksum_address
from custody.kernel.money import Asset
from demo.child import ServerFailed
from demo.evm import contracts
from demo.servers import Anvil
from demo.tale import Tale, units

CLIENTS = (("Ember", "segregated", 0), ("Fjord", "omnibus", 1))
ETHER = 10**18
MAX_FEE_WEI = ETHER // 100
DEPTH = 2
SETTLED = 6
"""Blocks after which the payer's transactions count for good."""


@dataclass
class OnEthereum:
    """What happens to the clients who have ether."""

    tale: Tale
    _paid: dict[tuple[str, Asset], int] = field(default_factory=dict)

    @property
    def node(self) -> Anvil:
        """The node."""
        return self.tale.stage.anvil

    @property
    def ether(self) -> Asset:
        """The chain's own asset."""
        return self.tale.stage.ether

    @property
    def token(self) -> Asset:
        """The example token, which the trust root registers."""
        return self.tale.stage.token

    def deposits_arrive(self) -> None:
        """Plain, by somebody's contract, as a token, and as a token nobody registered."""
        tale, node = self.tale, self.node
        ember, fjord = tale.addresses["Ember"], tale.addresses["Fjord"]
        node.transact(tale.stage.payer, ETHER)
        node.transact(ember, units("7.5", self.ether))
        node.transact(fjord, units("1.25", self.ether))
        contracts.pay_by_contract(node, {ember: units("0.5", self.ether), fjord: units("0.25", self.ether)})
        for name, amount in (("Ember", "2500"), ("Fjord", "900")):
            contracts.give_token(node, contract_of(self.token), tale.addresses[name], units(amount, self.token))
        tale.tell("Ember and Fjord get ether and tokens; some of the ether comes by a contract, which no payment shows")
        alike = contracts.token(node, self.token.code, self.token.decimals, salt=1)
        contracts.give_token(node, alike, ember, units("1000000", self.token))
        node.mine(DEPTH)
        for name, amount, asset in (
            ("Ember", "8", self.ether),
            ("Fjord", "1.5", self.ether),
            ("Ember", "2500", self.token),
            ("Fjord", "900", self.token),
        ):
            tale.await_available(name, amount, asset)
        tale.tell(
            f"each is credited what arrived; a million of a token that only calls itself {self.token.code} is not"
        )

    def withdrawals_are_asked_for(self) -> None:
        """Two that need nobody, one that takes two operators, one rejected; the payer of all their gas topped up."""
        tale, node = self.tale, self.node
        alone = self._withdraw("Fjord", "0.4", self.ether, "ether allowed")
        two = self._withdraw("Ember", "6", self.ether, "ether by two operators")
        beside = self._withdraw("Ember", "400", self.token, "token allowed")
        refused = self._withdraw("Fjord", "800", self.token, "token one says no")
        code = self.token.code
        tale.tell(f"four withdrawals asked for: Fjord 0.4 ETH and 800 {code}, Ember 6 ETH and 400 {code}")
        tale.reject_withdrawal(refused, "carol")
        tale.await_state(refused, "rejected")
        tale.approve_withdrawal(two, "alice", "bob")
        tale.tell("carol rejects Fjord's token; alice and bob approve Ember's ether")
        for withdrawal in (alone, two, beside):
            self._follow(withdrawal)
        self._expect_paid()
        tale.tell("cosigners read each call for themselves and signed; what first paid also made the contract")
        node.transact(tale.stage.payer, ETHER)
        node.mine(SETTLED)
        tale.wait_for(tale.stage.payer_is_booked, "the payer's ether in the books")
        tale.tell("the house paid the gas from an account that carries and cannot spend, and tops it up by 1 ETH")

    def _withdraw(self, name: str, amount: str, asset: Asset, purpose: str) -> str:
        to = payee(f"{name} {purpose}")
        self._paid[to, asset] = units(amount, asset)
        return self.tale.withdraw(name, amount, asset, purpose, to=to, max_fee=MAX_FEE_WEI)

    def _follow(self, withdrawal: str) -> None:
        """Carried out, which this node mines at once, and then deep enough."""
        self.tale.await_state(withdrawal, "broadcast", "confirmed", "completed")
        self.node.mine(DEPTH)
        self.tale.await_state(withdrawal, "completed")

    def _expect_paid(self) -> None:
        for (to, asset), wanted in self._paid.items():
            if asset == self.ether:
                found = self.node.balance_wei(to)
            else:
                found = contracts.token_balance(self.node, contract_of(asset), to)
            if found not in (0, wanted):
                raise ServerFailed(f"{to} has {found} and not {wanted}", field="story")


def payee(name: str) -> str:
    """An address nobody has the key of."""
    return checksum_address(hashlib.sha256(f"custody demo: {name}".encode()).digest()[-20:])


def contract_of(token: Asset) -> str:
    """The address in a token's CAIP-19 id."""
    return token.id.rpartition(":")[2]
