"""A house on an Ethereum node of its own, with its daemon: what ``live`` is on Bitcoin, and one client's journey."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from custody.addresses.stocking import fill_stock
from custody.bootstrap import with_registered
from custody.chains.ethereum.offline.address import checksum_address
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.requests import RespendRequest, WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.kernel.errors import Unavailable
from custody.ledger import queries as ledger
from custody.movements import queries as movements
from custody.openings import operations as openings
from custody.relaying import queries as relaying
from custody.relaying.states import CarriageState
from custody.spends import queries as spends
from custody.spends.model import Attempt
from custody.vaults import operations as vaults
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State
from demo.child import free_port
from demo.evm.contracts import SAFE_L2, pay_by_contract
from tests.cosigner.safe_builders import NATIVE, SAFES, SafeWorld, safe_key, somebody, token_asset
from tests.crash.live import Live, callers_of
from tests.crash.partial import without_traces
from tests.crash.yard import EtherChain, Yard
from tests.support.evm import Contract, deploy_token, placed
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens

CLIENT, BRANCH = "acme", 7
ETHER = 10**18
DEPOSIT_WEI, DEPOSIT_TOKENS = 8 * ETHER, 1_000_000_000
SMALL_WEI, LARGE_WEI = ETHER // 2, 6 * ETHER
"""Without people; by two operators."""
TOKENS = 400_000_000
DEPTH = 6
"""The most any amount here waits for."""
PAYER_WEI = ETHER
OVER = (State.COMPLETED, State.CANCELLED)


class EtherHouse(House):
    """A house whose keyset owns Safes. ``EtherHouse.stand`` holds the ceremony."""

    @classmethod
    def stand(cls, database: FreshDatabase, world: SafeWorld, **settings: Any) -> EtherHouse:
        """The trust root in force, both keysets registered, the token among the assets."""
        house = cast("EtherHouse", cls.found(database, ceremony=world, **settings))
        message = keyset_consent_message(world.safe_keyset)
        consents = tuple(Signature(name, safe_key(name).sign_statement(message)) for name in world.owners)
        with house.db.unit() as unit:
            vaults.register_keyset(
                unit.session, keyset=world.safe_keyset, consents=consents, actor="ceremony", now=unit.now
            )
        house.runtime = with_registered(house.runtime)
        return house

    def open_safe(self, client: str) -> str:
        """Open a client as policy asks, with its address; returns that."""
        opening = self.request_opening(self.opening_request(client, branch=BRANCH, keyset=SAFES))
        self.approve(opening.digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=opening.digest, now=unit.now)
        self.vaults[client] = f"{SAFES}/{BRANCH}"
        where = {"vault": self.vaults[client], "target": 1, "seal_key": self.runtime.seal_key, "kept_for": client}
        fill_stock(self.db, self.runtime.only.node, **where)
        return self.address(client).address

    def available(self, client: str) -> dict[str, tuple[int, int]]:
        """Available and held by asset."""
        with self.db.unit() as unit:
            found = ledger.balances(unit.session, client=client)
        return {item.asset: (item.available, item.held) for item in found if item.available or item.held}


class EtherJourney:
    """One client's ether and tokens on their way, through one house."""

    def __init__(self, live: Live) -> None:
        self.live, self.house = live, cast("EtherHouse", live.house)
        self.node = cast("EtherChain", live.chain).node
        self.token = Contract(self.node, cast("SafeWorld", self.house.ceremony).token, live.token.abi)
        self.destination = somebody(f"destination of {live.name}")
        self.safe = ""
        self._drained_wei = 0

    # What is prepared, before any process runs.

    def open(self) -> None:
        """The client, open, with its address; the payer has ether."""
        self.fund_payer()
        self.safe = self.house.open_safe(CLIENT)
        self.live.deliver()

    def deposit(self) -> None:
        """Ether and tokens, in two blocks that nobody has read."""
        self.node.transact(self.safe, DEPOSIT_WEI)
        self.token.transact("transfer", self.safe, DEPOSIT_TOKENS)

    def deposit_by_a_contract(self) -> None:
        """As much, the ether by a contract's call."""
        pay_by_contract(self.node, {self.safe: DEPOSIT_WEI})
        self.token.transact("transfer", self.safe, DEPOSIT_TOKENS)

    def fund(self) -> None:
        """The client with both credited."""
        self.open()
        self.deposit()
        self.live.chain.mine(DEPTH)
        self.live.scan()
        assert self.house.available(CLIENT) == self.deposited

    def sign(self) -> Withdrawal:
        """A withdrawal that a quorum has signed and nobody was told to carry, all by direct calls."""
        asked = self.house.withdraw(self.request(SMALL_WEI))
        self.live.deliver()
        self.live.sign_here()
        return asked

    def pay(self) -> Withdrawal:
        """A withdrawal that was handed to the payer; where that has nothing, it waits to be carried."""
        asked = self.sign()
        with suppress(Unavailable):
            self.live.deliver()
        return asked

    @property
    def token_id(self) -> str:
        """The token's CAIP-19 id."""
        return token_asset(self.token.address).id

    @contextmanager
    def payer_without_ether(self) -> Iterator[None]:
        """Meanwhile the payer cannot pay for anything."""
        self.drain_payer()
        yield
        self.fund_payer()

    def drain_payer(self) -> None:
        """The payer cannot pay for anything."""
        self._drained_wei = self.node.balance_wei(self.payer)
        self.node.rpc("anvil_setBalance", self.payer, "0x0")

    def fund_payer(self) -> None:
        """The house tops the payer up; where it was drained, with what it had before, which the books know of."""
        if self._drained_wei:
            self.node.rpc("anvil_setBalance", self.payer, hex(self._drained_wei))
        else:
            self.node.transact(self.payer, PAYER_WEI)

    @property
    def payer(self) -> str:
        """Who carries, and pays for it."""
        carrier = self.house.runtime.only.carrier
        assert carrier is not None
        return carrier.key.account

    @property
    def deposited(self) -> dict[str, tuple[int, int]]:
        """What the client has when nothing has left."""
        return {NATIVE.id: (DEPOSIT_WEI, 0), self.token_id: (DEPOSIT_TOKENS, 0)}

    def request(self, units: int, **changes: Any) -> WithdrawalRequest:
        """The exchange's request; the same every time, as a client's retry is."""
        given = {"destination": self.destination, "idempotency_key": f"pay-{self.live.name}", "asset": NATIVE.id}
        return self.house.withdrawal_request(CLIENT, units, max_fee=ETHER // 100, **{**given, **changes})

    # What is asked of the running daemon.

    def ask_for(self, units: int, **changes: Any) -> str:
        """Ask for a withdrawal; returns its intent's digest."""
        answer = self.live.ask("exchange", "POST", "/v1/withdrawals", self.house.body(self.request(units, **changes)))
        return str(answer["intent_digest"])

    def ask_to_give_up(self, asked: Withdrawal) -> str:
        """Ask to have a withdrawal given up; returns the digest of that intent."""
        request = RespendRequest(
            requester="exchange",
            client=CLIENT,
            of=asked.digest,
            asset=asked.asset,
            amount=asked.units,
            max_fee=ETHER // 100,
            purpose="given up",
            not_after=self.house.now() + timedelta(days=1),
            idempotency_key=f"give-up-{self.live.name}",
        )
        answer = self.live.ask("exchange", "POST", "/v1/respends", self.house.body(request))
        return str(answer["intent_digest"])

    def say(self, digest: str, *people: str) -> None:
        """These operators approve."""
        for person in people:
            body = self.house.approval(person, digest).to_json()
            self.live.ask(person, "POST", f"/v1/intents/{digest}/approvals", body)

    def until_credited(self) -> None:
        """A block more each time the daemon has read the last one, until the client has what was deposited."""

        def there() -> bool:
            self._mine_when_read()
            return self.house.available(CLIENT) == self.deposited

        self.live.until(there, "both credited")

    def until_ended(self) -> None:
        """A block more each time the daemon has read the last one, until every withdrawal is over."""

        def over() -> bool:
            self.live.sign()
            found = self.house.withdrawals()
            if all(each.state in (State.COMPLETED, State.CANCELLED) for each in found):
                return True
            if any(each.state in (State.BROADCAST, State.CONFIRMED, State.CANCELLING) for each in found):
                self.live.chain.mine()
            return False

        self.live.until(over, "withdrawals over")

    def _mine_when_read(self) -> None:
        with self.house.db.unit() as unit:
            tip = movements.tip(unit.session, chain=NATIVE.chain)
        if tip is not None and tip.height == self.live.chain.height():
            self.live.chain.mine()

    # What is there.

    def attempts(self, withdrawal: Withdrawal) -> list[Attempt]:
        """Its attempts, oldest first."""
        with self.house.db.unit() as unit:
            return spends.attempts(unit.session, withdrawal=withdrawal.id)

    def signed(self) -> int:
        """How many attempts a quorum has signed, with the keyholders at work."""
        self.live.sign()
        return sum(each.final is not None for found in self.house.withdrawals() for each in self.attempts(found))

    def bids(self) -> int:
        """Transactions that were ever signed for the newest carriage."""
        with self.house.db.unit() as unit:
            found = relaying.carriages(
                unit.session, chain=NATIVE.chain, account=self.payer, states=tuple(CarriageState)
            )
        return len(found[-1].variants) if found else 0

    def expect_whole(
        self, *, paid_wei: int = 0, paid_tokens: int = 0, turns: int, alarms: frozenset[str] = frozenset()
    ) -> None:
        """The destination has exactly that; the Safe used exactly so many turns; books and chain say the same."""
        self.live.chain.mine(DEPTH)
        self.live.scan()
        self.live.expect_sound(alarms=alarms)
        assert self.node.balance_wei(self.destination) == paid_wei
        assert self.token.call("balanceOf", self.destination) == paid_tokens
        assert self._turns() == turns
        left = {NATIVE.id: (DEPOSIT_WEI - paid_wei, 0)}
        left[self.token_id] = (DEPOSIT_TOKENS - paid_tokens, 0)
        assert self.house.available(CLIENT) == left
        assert self.node.balance_wei(self.safe) == DEPOSIT_WEI - paid_wei

    def _turns(self) -> int:
        if self.node.rpc("eth_getCode", self.safe, "latest") == "0x":
            return 0
        return int(placed(self.node, SAFE_L2, self.safe).call("nonce"))


@contextmanager
def living_on_ether(
    yard: Yard,
    *,
    in_part: bool = False,
    world_of: type[SafeWorld] = SafeWorld,
    newcomers: tuple[str, ...] = (),
    **settings: Any,
) -> Iterator[Live]:
    """A house on a fresh Ethereum node, which may show its blocks in part, with nothing running.

    ``newcomers`` have keys, and are in no keyset of version 1.
    """
    name = f"ether{yard.number()}"
    folder = yard.home / name
    folder.mkdir()
    with ExitStack() as stack:
        chain = stack.enter_context(yard.ether_chain())
        database = stack.enter_context(yard.database())
        token = deploy_token(chain.node)
        now = datetime.now(UTC)
        contract = checksum_address(bytes.fromhex(token.address[2:]))
        world = world_of(now=now, expires_at=now + timedelta(days=365), token=contract)
        chosen: dict[str, Any] = {
            "network": "anvil",
            "anvil_rpc_url": stack.enter_context(without_traces(chain.node.url)) if in_part else chain.node.url,
            "anvil_start_height": chain.height(),
            "anvil_payer_key": secrets.token_hex(32),
            "assets_file": _listed(folder, contract),
            "broker_url": stack.enter_context(yard.broker_url()),
            "scan_seconds": 1,
            "lease_seconds": 2,
            "visibility_seconds": 2,
            "api_port": free_port(),
            "api_tokens_file": write_tokens(folder / "tokens.json", callers_of(world, world.owners)),
            **settings,
        }
        house = EtherHouse.stand(database, world, **chosen)
        keys = {owner: safe_key(owner) for owner in (*world.owners, *newcomers)}
        chosen["start_height"] = chosen["anvil_start_height"]
        live = Live(yard, chain, house, name=name, settings=chosen, keyset=SAFES, keys=keys)
        live.token = token
        stack.callback(live.close)
        yield live


def _listed(folder: Path, contract: str) -> Path:
    """The allow-list with the token in it."""
    token, path = token_asset(contract), folder / "assets.toml"
    path.write_text(
        f'[[asset]]\nid = "{token.id}"\ncode = "{token.code}"\ndecimals = {token.decimals}\ndust_units = 10\n'
        "[[asset.tier]]\nconfirmations = 2\n"
    )
    return path
