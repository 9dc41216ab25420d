"""An Ethereum node, or two that must agree, as the port's ``ChainNode``. Keeps nothing but what the node can do.

What a place holds is one balance of each asset, so nothing here is a coin. The adapter is told which tokens are
registered; of others it shows nothing. Hashes are ``0x`` and lower-case hex, locators the 20 bytes of an address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Final

from custody.chains.addressing import Rules, Series
from custody.chains.carrying import Market, Prospect, Standing
from custody.chains.ethereum import planning
from custody.chains.ethereum.addressing import SafeSource
from custody.chains.ethereum.answers import read_bytes, read_number, read_sent, says_known, says_rejected
from custody.chains.ethereum.configuration import SafeConfiguration, SafeStorage
from custody.chains.ethereum.holdings import Balances, TokenSilent, Way, best_way
from custody.chains.ethereum.node import Node, RawBlock
from custody.chains.ethereum.offline.address import address_bytes, checksum_address
from custody.chains.ethereum.offline.deployments import NEEDED
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.network import Network
from custody.chains.ethereum.offline.proxy import SafeSetup
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.ethereum.outcomes import outcomes
from custody.chains.ethereum.relaying import Relaying
from custody.chains.ethereum.rpc import Rpc, at_block, expecting, is_forgotten, quantity
from custody.chains.ethereum.settling import Place, believed, settled, told, untold
from custody.chains.ethereum.transfers import read_block, read_waiting
from custody.chains.port import (
    AddressesNotServed,
    Block,
    BlockNotFound,
    BroadcastOutcome,
    BroadcastResult,
    ChainTransaction,
    Doubt,
    Holding,
    Holdings,
    NodeNotReady,
    NodeRefused,
    NodesDisagree,
    NodeStatus,
    NodeUnavailable,
    Outcome,
    Settled,
    StateForgotten,
    TransactionNotFound,
    WrongNetwork,
)
from custody.chains.spending import Candidates, Plan, Shares, SpendRules
from custody.kernel.errors import InvalidInput

ADDRESS_BYTES: Final = 20

_HASH: Final = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_TOKEN: Final = re.compile(r"/erc20:(0x[0-9a-fA-F]{40})", re.ASCII)
_FAILED_WORDS: Final = ("revert", "insufficient", "invalid opcode", "out of gas", "stack", "outoffund")
"""A call failed by itself, in the words of any node."""


class EthereumAdapter:
    """One network through one node, or through two whose answers are compared."""

    def __init__(
        self,
        rpc: Rpc,
        *,
        network: Network,
        assets: Iterable[str] = (),
        second: Rpc | None = None,
        scan_timeout_seconds: float = 900.0,
    ) -> None:
        """``assets``: CAIP-19 ids of the registered tokens, and of the native coin, which is always read.

        Raises ``InvalidInput`` for an asset of another chain or kind.
        """
        self._network = network
        self._native = network.asset.id
        self._node = Node(rpc, network)
        self._second = None if second is None else Node(second, network)
        self._tokens = {contract: asset for asset in assets if (contract := self._contract(asset)) is not None}
        self._balances = [
            (node, Balances(node.rpc, timeout_seconds=scan_timeout_seconds))
            for node in (self._node, self._second)
            if node is not None
        ]
        self._storages = [SafeStorage(each) for each in (rpc, second) if each is not None]
        self._storage = self._storages[0]
        self._relaying = Relaying(rpc, chain=network.chain)

    @property
    def chain(self) -> str:
        """CAIP-2 id of the network expected at the node."""
        return self._network.chain

    @property
    def has_coins(self) -> bool:
        """False: what an address holds is one balance."""
        return False

    @property
    def rules_can_change(self) -> bool:
        """True: a Safe obeys what stands in its storage."""
        return True

    def status(self) -> NodeStatus:
        """Tip and identity as the node gives them now. With a second node, the lower of two tips, if they agree."""
        standing = self._node.standing()
        height, block_hash = standing.tip.height, standing.tip.hash
        is_ok, synced = standing.is_of_network, standing.synced
        if self._second is not None:
            other = self._second.standing()
            is_ok, synced = is_ok and other.is_of_network, synced and other.synced
            if other.tip.height < height:
                height, block_hash = other.tip.height, self._node.block_hash(other.tip.height) or block_hash
            synced = synced and (other.tip.height > height or other.tip.hash == block_hash)
        return NodeStatus(
            chain=self.chain,
            height=height,
            hash=block_hash,
            headers=max(height, standing.headers if not standing.synced else height),
            synced=synced,
            genesis_ok=is_ok,
        )

    def require_ready(self) -> NodeStatus:
        """The status of nodes that may be believed. Raises ``WrongNetwork``, ``NodeNotReady`` or ``NodesDisagree``."""
        status = self.status()
        if not status.genesis_ok:
            raise WrongNetwork(f"the node is not one of {self._network.name}", chain=self.chain)
        self._node.capabilities()
        if not status.synced:
            if self._second is not None and self._second.block_hash(status.height) not in (None, status.hash):
                raise NodesDisagree(f"two nodes show two blocks at height {status.height}", chain=self.chain)
            raise NodeNotReady("the node is syncing", chain=self.chain)
        return status

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at ``height``, ``None`` above the tip. Raises ``NodeNotReady`` where two differ."""
        found = self._node.block_hash(height)
        if self._second is not None and found is not None and self._second.block_hash(height) != found:
            raise NodesDisagree(f"two nodes show two blocks at height {height}", chain=self.chain)
        return found

    def finalized_height(self) -> int | None:
        """The newest block that cannot be undone, ``None`` where the node does not know; the lower of two."""
        heights = [node.finalized_height() for node in (self._node, self._second) if node is not None]
        return None if None in heights else min(height for height in heights if height is not None)

    def block(self, block_hash: str) -> Block:
        """What the block did: fees, ether however it moved, and logs of registered tokens. Raises ``BlockNotFound``.

        Raises ``NodeNotReady`` where two nodes tell it differently.
        """
        if _HASH.fullmatch(block_hash) is None:
            raise self._no_block(block_hash)
        raw = self._node.block(block_hash)
        if self._second is not None:
            raw = self._agreed(raw, self._second)
        return self._read(raw)

    def settle(self, block: Block, locators: Collection[bytes]) -> Settled:
        """The block with what arrived at ``locators`` instead of what was told, by their balances before and after.

        Node calls grow with the places of ours that the block names, never with how many there are. Where the node has
        no state of that time any more, or a token does not answer, what its log alone says is left out and the block is
        not complete: ``unseen`` compares later. A token that does not answer is doubted.
        """
        named = told(block, set(locators))
        places, silent = sorted(named), set[str]()
        if not places or block.parent is None:
            return Settled(block, ())
        arrived: dict[Place, int] = {}
        try:
            for asset in sorted({asset for _, asset in places}):
                own = [place for place in places if place[1] == asset]
                try:
                    before, after = (self._at(own, block_hash) for block_hash in (block.parent, block.hash))
                except TokenSilent:
                    silent.add(asset)
                else:
                    arrived |= {place: after[place] - before[place] for place in own}
        except NodeRefused as refusal:
            if is_forgotten(refusal):
                return Settled(believed(block, native=self._native), ())
            raise
        done = settled(block, arrived=arrived, native=self._native)
        if not silent:
            return done
        doubts = tuple(Doubt(asset, locator, named[locator, asset], 0) for locator, asset in places if asset in silent)
        return Settled(believed(done.block, native=self._native, silent=silent), done.doubts + doubts)

    def unseen(self, recorded: Mapping[Place, int], *, since: str, until: str) -> tuple[ChainTransaction, ...]:
        """What moved and no block told: balances at ``until`` less ``recorded``, (address, asset) to units up to there.

        ``since`` is the block of the last such comparison; each result is named by its place and the two blocks, so
        doing it again after a crash finds the same. Only the state at ``until`` is needed. Raises ``StateForgotten``
        and ``TokenSilent``.
        """
        try:
            holds = self._at(sorted(recorded), until)
        except NodeRefused as refusal:
            if is_forgotten(refusal):
                raise StateForgotten(f"the node has no state of block {until}", chain=self.chain) from refusal
            raise
        return untold({place: holds[place] - units for place, units in recorded.items()}, since=since, until=until)

    def mempool(self, *, limit: int, known: Set[str]) -> list[ChainTransaction]:
        """At most ``limit`` of what the node means to mine next and is not in ``known``, in txid order."""
        pending, latest = self._node.rpc.batch(
            [("eth_getBlockByNumber", ("pending", True)), ("eth_getBlockByNumber", ("latest", False))]
        )
        if isinstance(pending, NodeRefused) or isinstance(latest, NodeRefused) or pending is None:
            return []
        with expecting("eth_getBlockByNumber"):
            if read_number(pending["number"]) <= read_number(latest["number"]):
                return []
            waiting = [read_sent(each) for each in pending["transactions"]]
        unknown = sorted((sent for sent in waiting if sent.txid not in known), key=lambda sent: sent.txid)
        return [read_waiting(sent, native=self._native, tokens=self._tokens) for sent in unknown[:limit]]

    def in_mempool(self, txids: Iterable[str]) -> set[str]:
        """Those of ``txids`` that the node knows and no block holds."""
        asked = sorted(txid for txid in set(txids) if _HASH.fullmatch(txid))
        answers = self._node.rpc.batch([("eth_getTransactionByHash", (txid,)) for txid in asked])
        return {txid for txid, answer in zip(asked, answers, strict=True) if _waits(answer)}

    def holdings(self, locators: Iterable[bytes], *, assets: Collection[str]) -> Holdings:
        """The balances of exactly these addresses, all at the newest block.

        A token that does not answer is named as silent. Raises ``InvalidInput`` for an asset of elsewhere, and
        ``NodeNotReady`` where two nodes differ.
        """
        tip = self._node.standing().tip
        if self._second is not None and self._second.block_hash(tip.height) != tip.hash:
            raise NodesDisagree(f"two nodes show two blocks at height {tip.height}", chain=self.chain)
        asked, found, silent = sorted(set(locators)), list[Holding](), list[str]()
        for asset in sorted(set(assets)):
            try:
                found += self.holdings_at(tip.hash, asked, assets=[asset])
            except TokenSilent:
                silent.append(asset)
        return Holdings(tip.height, tip.hash, tuple(found), tuple(silent))

    def holdings_at(
        self, block_hash: str, locators: Iterable[bytes], *, assets: Collection[str], way: Way | None = None
    ) -> tuple[Holding, ...]:
        """The same at a block named by its hash. ``way`` is for comparing one with another."""
        asked = sorted(set(locators))
        found = []
        for asset in sorted(set(assets)):
            units = self._units(asset, asked, block_hash, way)
            found += [
                Holding(locator, asset, held, None, None, None, False)
                for locator, held in zip(asked, units, strict=True)
                if held
            ]
        return tuple(found)

    def holdings_of(self, series: Sequence[Series], *, assets: Collection[str]) -> Holdings:
        """The same of every place of these series, derived here. Raises ``InvalidInput``."""
        places = {locator for run in series for locator in run.locators()}
        if any(len(locator) != ADDRESS_BYTES for locator in places):
            raise InvalidInput("not an address source of Ethereum", field="series")
        return self.holdings(places, assets=assets)

    def outcomes(self, spends: Iterable[str], *, first: int, last: int) -> dict[str, tuple[int, str, Outcome]]:
        """How these SafeTx hashes ended between two heights, both included: to height, block hash and outcome.

        For catching up: blocks tell the same as they are read. Each is of the Safe that says so, which the caller
        compares; of several that say it of one hash, the last counts here.
        """
        return outcomes(self._node.rpc, spends, first=first, last=last)

    def configuration(self, locator: bytes, *, block_hash: str | None = None) -> SafeConfiguration:
        """What a Safe's storage says of whom it obeys, at a block, or at the newest. Raises ``NodeRefused``."""
        return self._storage.configuration(locator, block_hash=block_hash or self._node.standing().tip.hash)

    def watch(self, safes: Sequence[tuple[bytes, SafeSetup]], *, block_hash: str) -> dict[bytes, list[str]]:
        """Those Safes that are not as they were set up, with what differs in sentences. Raises ``NodeRefused``.

        Where there are two nodes, what either shows counts.
        """
        found: dict[bytes, list[str]] = {}
        for storage in self._storages:
            for locator, sentences in storage.watch(safes, block_hash=block_hash).items():
                known = found.setdefault(locator, [])
                known += [sentence for sentence in sentences if sentence not in known]
        return found

    def changed_rules(self, places: Sequence[Rules], *, block_hash: str) -> dict[bytes, list[str]]:
        """Those Safes that are not as their keyset sets them up: their addresses are derived anew, their storage read.

        One request for a hundred Safes. What is not deployed differs in nothing. Raises ``NodeRefused``.
        """
        found: dict[bytes, list[str]] = {}
        safes: list[tuple[bytes, SafeSetup]] = []
        for place in places:
            source = place.source
            if not isinstance(source, SafeSource):
                raise InvalidInput("not an address source of Ethereum", field="places")
            derived = source.derive(client=place.client, change=place.change, index=place.index)
            if derived.locator != place.locator:
                found[place.locator] = [f"its keyset gives {derived.address} instead"]
            else:
                safes.append((place.locator, source.safes.setup))
        try:
            return found | self.watch(safes, block_hash=block_hash)
        except NodeRefused as refusal:
            if not is_forgotten(refusal):
                raise
            return found | self.watch(safes, block_hash=self.require_ready().hash)

    def check_serves_addresses(self) -> None:
        """Raise ``AddressesNotServed`` unless every contract a Safe of ours needs stands here with the code pinned.

        On a chain without them nobody could spend from an address. Each node is asked, and one that does not say is one
        that says no. Raises ``WrongNetwork`` and ``NodeNotReady`` as ``require_ready`` does.
        """
        tip = self.require_ready()
        for storage in self._storages:
            for contract in NEEDED:
                try:
                    storage.check_deployed(contract, block_hash=tip.hash)
                except (InvalidInput, NodeRefused) as error:
                    raise AddressesNotServed(error.message, chain=self.chain, contract=contract.name) from error

    def raw_transaction(self, txid: str, block_hash: str | None = None) -> bytes:
        """Bytes whose hash was checked, waiting or in the block named. Raises ``TransactionNotFound``."""
        where = f"block {block_hash}" if block_hash else "its mempool"
        if _HASH.fullmatch(txid) is not None:
            raw, answer = self._node.rpc.batch(
                [("eth_getRawTransactionByHash", (txid,)), ("eth_getTransactionByHash", (txid,))]
            )
            if isinstance(raw, NodeRefused):
                raise raw
            if isinstance(answer, NodeRefused):
                raise answer
            with expecting("eth_getRawTransactionByHash"):
                if raw not in (None, "0x") and answer is not None and answer.get("blockHash") == block_hash:
                    found = read_bytes(raw)
                    if "0x" + keccak(found).hex() != txid:
                        raise ValueError("another transaction")
                    return found
        raise TransactionNotFound(f"the node has no transaction {txid} in {where}", chain=self.chain)

    def plan(self, candidates: Candidates, *, rules: SpendRules, fee_rate: int | None = None) -> Plan:
        """One turn of a Safe for the order; what it costs is decided by who carries it out. Raises as the module's."""
        del rules, fee_rate
        return planning.plan(self, self._network, candidates)

    def cost_units(self, plan: Plan) -> int:
        """Wei for its expected gas, at what the market asks soon; from above."""
        return plan.weight * self.market().likely

    def share(
        self, candidates: Candidates, *, rules: SpendRules, most_inputs: int, fee_rate: int | None = None
    ) -> Shares:
        """One payment for each Safe that has anything, its gas at what the market asks; see ``planning.share``."""
        del most_inputs
        self.require_ready()
        return planning.share(candidates, terms=rules.terms, rate=fee_rate or self.market().likely)

    def nonce_of(self, safe: str, *, block_hash: str) -> int:
        """The nonce of a Safe's next SafeTx, 0 before it is there. Raises ``NodeNotReady`` where two nodes differ."""
        told = {storage.nonce(safe, block_hash=block_hash) for storage in self._storages}
        if len(told) != 1:
            raise NodeNotReady(f"two nodes tell the nonce of {safe} differently", chain=self.chain)
        return told.pop()

    def try_call(self, call: SafeTx, *, sender: str, block_hash: str) -> bytes | str:
        """What a call from ``sender`` answers at a block, or the node's words for why it fails.

        Data for an address without code fails: nothing would come of it. Raises ``NodeUnavailable`` where the node says
        no for another reason than the call's own.
        """
        request = {"from": sender, "to": call.to, "value": quantity(call.value), "data": "0x" + call.data.hex()}
        block = at_block(block_hash)
        answer, code = self._node.rpc.batch([("eth_call", (request, block)), ("eth_getCode", (call.to, block))])
        if isinstance(answer, NodeRefused):
            said = str(answer.facts["rpc_message"])
            if any(word in said.lower() for word in _FAILED_WORDS):
                return said
            raise NodeUnavailable(f"the node does not try the payment: {said}", chain=self.chain)
        if isinstance(code, NodeRefused):
            raise NodeUnavailable("the node does not show a contract", chain=self.chain)
        with expecting("eth_call"):
            if call.data and not read_bytes(code):
                return "there is no contract"
            return read_bytes(answer)

    def broadcast(self, raw: bytes) -> BroadcastOutcome:
        """Send and say what is known. What the node refuses is looked for by its hash before it is believed.

        A nonce already used is ``UNKNOWN``: by which transaction, the chain tells.
        """
        txid = "0x" + keccak(raw).hex()
        try:
            if self._knows(txid):
                return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN)
            answer = self._node.rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
        except NodeUnavailable as silent:
            return BroadcastOutcome(BroadcastResult.UNKNOWN, silent.message)
        except NodeRefused as refusal:
            return self._refused(txid, str(refusal.facts["rpc_message"]))
        if answer != txid:
            return BroadcastOutcome(BroadcastResult.UNKNOWN, "the node answered with another hash")
        return BroadcastOutcome(BroadcastResult.ACCEPTED)

    def standing(self, account: str) -> Standing:
        """What the chain says of a relayer's account now. Raises ``NodeRefused``."""
        return self._relaying.standing(account)

    def examine(self, finals: Iterable[bytes], *, account: str) -> list[Prospect]:
        """Each signed SafeTx as it stands now; those that can go were tried, each alone. Raises ``InvalidInput``."""
        return self._relaying.examine(finals, account=account)

    def market(self) -> Market:
        """What the next block asks per gas. Raises ``NodeRefused``."""
        return self._relaying.market()

    def held_at(self, locator: bytes, *, height: int) -> int:
        """Wei at an address after the block of that height. Raises ``NodeRefused`` where the node forgot."""
        return self._relaying.held_at(checksum_address(locator), height=height)

    def _refused(self, txid: str, reason: str) -> BroadcastOutcome:
        try:
            if says_known(reason) or self._knows(txid):
                return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN, reason)
        except (NodeUnavailable, NodeRefused):
            return BroadcastOutcome(BroadcastResult.UNKNOWN, reason)
        return BroadcastOutcome(BroadcastResult.REJECTED if says_rejected(reason) else BroadcastResult.UNKNOWN, reason)

    def _knows(self, txid: str) -> bool:
        return self._node.rpc.call("eth_getTransactionByHash", txid) is not None

    def _agreed(self, raw: RawBlock, second: Node) -> RawBlock:
        """Compared is what both nodes can show: receipts always, traces where both have them; more is taken."""
        block_hash = raw.header.hash
        try:
            other = second.block(block_hash)
        except BlockNotFound:
            raise NodesDisagree(f"a second node has no block {block_hash}", chain=self.chain) from None
        is_traced = raw.traces is not None and other.traces is not None
        shown = [self._read(each if is_traced else replace(each, traces=None)) for each in (raw, other)]
        if shown[0] != shown[1]:
            raise NodesDisagree(f"two nodes tell block {block_hash} differently", chain=self.chain)
        return other if raw.traces is None else raw

    def _read(self, raw: RawBlock) -> Block:
        return read_block(raw.header, raw.receipts, raw.traces, native=self._native, tokens=self._tokens)

    def _at(self, places: Iterable[Place], block_hash: str) -> dict[Place, int]:
        by_asset: dict[str, list[bytes]] = {}
        for locator, asset in places:
            by_asset.setdefault(asset, []).append(locator)
        return {
            (locator, asset): units
            for asset, locators in by_asset.items()
            for locator, units in zip(locators, self._units(asset, locators, block_hash), strict=True)
        }

    def _units(self, asset: str, locators: Sequence[bytes], block_hash: str, way: Way | None = None) -> list[int]:
        contract = self._contract(asset)
        told_by_each = [
            balances.read(
                locators,
                token=contract,
                block_hash=block_hash,
                way=best_way(node.capabilities()) if way is None else way,
                asset=asset,
            )
            for node, balances in self._balances
        ]
        if any(units != told_by_each[0] for units in told_by_each):
            raise NodesDisagree(f"two nodes tell balances at block {block_hash} differently", chain=self.chain)
        return told_by_each[0]

    def _contract(self, asset: str) -> bytes | None:
        """The contract of a token's CAIP-19 id, ``None`` for the native coin."""
        if asset == self._native:
            return None
        match = _TOKEN.fullmatch(asset.removeprefix(self.chain))
        if match is None or not asset.startswith(self.chain):
            raise InvalidInput(
                f"not an asset of {self.chain}; accepted are {self._native} and /erc20:0x…", field="assets"
            )
        return address_bytes(match.group(1), field="assets")

    def _no_block(self, block_hash: str) -> BlockNotFound:
        return BlockNotFound(f"the node has no block {block_hash}", chain=self.chain)


def _waits(answer: Any) -> bool:
    return answer is not None and not isinstance(answer, NodeRefused) and answer.get("blockHash") is None
