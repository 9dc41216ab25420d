"""A Bitcoin node as the port's ``ChainNode``. Needs neither a wallet nor a transaction index, and keeps nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Final

from custody.chains.addressing import Rules, Series
from custody.chains.bitcoin import planning
from custody.chains.bitcoin.answers import (
    read_block,
    read_feerate,
    read_hash,
    read_height,
    read_holdings,
    read_transaction,
)
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.transaction import MalformedTransaction, txid_of
from custody.chains.bitcoin.rpc import Rpc, expecting
from custody.chains.port import (
    Block,
    BlockNotFound,
    BroadcastOutcome,
    BroadcastResult,
    ChainTransaction,
    Holding,
    Holdings,
    NodeNotReady,
    NodeRefused,
    NodeStatus,
    NodeUnavailable,
    Settled,
    TransactionNotFound,
    WrongNetwork,
)
from custody.chains.spending import Candidates, Plan, Shares, SpendRules
from custody.kernel.errors import InvalidInput

SCRIPTS_PER_SCAN: Final = 200_000
"""A request of more would pass the node's limit of 32 MiB."""

TRANSACTIONS_PER_BATCH: Final = 100
SCAN_ATTEMPTS: Final = 5

# Numbers of the node's RPC protocol (bitcoin/src/rpc/protocol.h).
NO_SUCH_THING: Final = -5
BAD_PARAMETER: Final = -8
DOES_NOT_DECODE: Final = -22
NOT_VALID_NOW: Final = -25
NOT_ACCEPTED: Final = -26
IN_CHAIN_ALREADY: Final = -27

_KNOWN_WORDS: Final = ("txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool")
_MISSING_WORDS: Final = ("missingorspent", "missing-inputs")


class BitcoinAdapter:
    """One node of one network."""

    def __init__(self, rpc: Rpc, *, network: Network, scan_timeout_seconds: float = 900.0) -> None:
        self._rpc = rpc
        self._network = network
        self._asset = network.asset.id
        self._scan_timeout_seconds = scan_timeout_seconds

    @property
    def chain(self) -> str:
        """CAIP-2 id of the network expected at the node."""
        return self._network.chain

    @property
    def has_coins(self) -> bool:
        """True: an output is a coin."""
        return True

    @property
    def rules_can_change(self) -> bool:
        """False: a script is what it hashes to."""
        return False

    def status(self) -> NodeStatus:
        """Tip, headers and identity as the node gives them now. On regtest an old tip alone counts as syncing."""
        genesis = read_hash(self._rpc.call("getblockhash", 0), "getblockhash")
        info = self._rpc.call("getblockchaininfo")
        with expecting("getblockchaininfo"):
            height, headers = read_height(info["blocks"], "blocks"), read_height(info["headers"], "headers")
            return NodeStatus(
                chain=self.chain,
                height=height,
                hash=read_hash(info["bestblockhash"], "bestblockhash"),
                headers=headers,
                synced=info["initialblockdownload"] is False and height >= headers,
                genesis_ok=genesis == self._network.genesis_hash,
            )

    def require_ready(self) -> NodeStatus:
        """The status of a node that may be believed. Raises ``WrongNetwork`` or ``NodeNotReady``."""
        status = self.status()
        if not status.genesis_ok:
            raise WrongNetwork(f"the node's genesis block is not that of {self._network.name}", chain=self.chain)
        if not status.synced:
            raise NodeNotReady(
                f"the node is syncing: block {status.height} of {status.headers} headers", chain=self.chain
            )
        return status

    def check_serves_addresses(self) -> None:
        """Nothing: an output script needs nobody's contract."""

    def block_hash(self, height: int) -> str | None:
        """The best chain's block at ``height``, ``None`` above the tip."""
        try:
            return read_hash(self._rpc.call("getblockhash", height), "getblockhash")
        except NodeRefused as refusal:
            if refusal.facts["rpc_code"] == BAD_PARAMETER:
                return None
            raise

    def block(self, block_hash: str) -> Block:
        """The block with its inputs' scripts and amounts, of the best chain or off it. Raises ``BlockNotFound``."""
        try:
            return read_block(self._rpc.call("getblock", block_hash, 3), asset=self._asset)
        except NodeRefused as refusal:
            if refusal.facts["rpc_code"] == NO_SUCH_THING:
                raise BlockNotFound(f"the node has no block {block_hash}", chain=self.chain) from None
            raise

    def settle(self, block: Block, _locators: Collection[bytes]) -> Settled:
        """The block itself: a coin is what its output says."""
        return Settled(block, ())

    def finalized_height(self) -> int | None:
        """``None``: nobody says it here, only depth does."""
        return None

    def unseen(
        self, recorded: Mapping[tuple[bytes, str], int], *, since: str, until: str
    ) -> tuple[ChainTransaction, ...]:
        """Nothing: a block tells all its coins."""
        del recorded, since, until
        return ()

    def changed_rules(self, places: Sequence[Rules], *, block_hash: str) -> dict[bytes, list[str]]:
        """Nothing: a script is what it hashes to."""
        del places, block_hash
        return {}

    def mempool(self, *, limit: int, known: Set[str]) -> list[ChainTransaction]:
        """At most ``limit`` unconfirmed transactions not in ``known``; one that leaves meanwhile is left out."""
        listed = self._rpc.call("getrawmempool")
        with expecting("getrawmempool"):
            unseen = sorted(txid for txid in listed if txid not in known)[:limit]
        return [
            read_transaction(answer, asset=self._asset)
            for answer in self._each("getrawtransaction", [[txid, 1] for txid in unseen])
            if answer is not None
        ]

    def in_mempool(self, txids: Iterable[str]) -> set[str]:
        """Those of ``txids`` that wait in this node's mempool."""
        asked = sorted(set(txids))
        answers = self._each("getmempoolentry", [[txid] for txid in asked])
        return {txid for txid, answer in zip(asked, answers, strict=True) if answer is not None}

    def holdings(self, locators: Iterable[bytes], *, assets: Collection[str]) -> Holdings:
        """The coins of exactly these scripts. The node walks its whole UTXO set: seconds to minutes, one at a time."""
        scripts = [f"raw({script.hex()})" for script in sorted(set(locators))]
        return self._scan(scripts if self._asset in assets else [])

    def holdings_of(self, series: Sequence[Series], *, assets: Collection[str]) -> Holdings:
        """The coins of each run of indexes, which the node derives. Raises ``InvalidInput``."""
        ranges = [{"desc": _text_of(run), "range": _positions(run)} for run in series if run.last >= 0]
        return self._scan(ranges if self._asset in assets else [])

    def raw_transaction(self, txid: str, block_hash: str | None = None) -> bytes:
        """Bytes whose txid was checked, from the mempool or the block named. Raises ``TransactionNotFound``."""
        place = [] if block_hash is None else [block_hash]
        try:
            answer = self._rpc.call("getrawtransaction", txid, 0, *place)
        except NodeRefused as refusal:
            if refusal.facts["rpc_code"] == NO_SUCH_THING:
                where = f"block {block_hash}" if block_hash else "its mempool"
                raise TransactionNotFound(f"the node has no transaction {txid} in {where}", chain=self.chain) from None
            raise
        with expecting("getrawtransaction"):
            raw = bytes.fromhex(answer)
            if txid_of(raw) != txid:
                raise ValueError("another transaction")
            return raw

    def fee_rate_sat_kvb(self, *, target_blocks: int) -> int | None:
        """``estimatesmartfee`` as the node gives it; ``None`` when it has none, as on a young chain."""
        return read_feerate(self._rpc.call("estimatesmartfee", target_blocks))

    def plan(self, candidates: Candidates, *, rules: SpendRules, fee_rate: int | None = None) -> Plan:
        """Coins, fee and the transactions that made the coins; see ``planning.plan``."""
        return planning.plan(self, candidates, rules=rules, fee_rate=fee_rate)

    def cost_units(self, plan: Plan) -> int:
        """The plan's own fee: what its inputs have beyond what is paid and comes back."""
        return planning.fee_units(plan)

    def share(
        self, candidates: Candidates, *, rules: SpendRules, most_inputs: int, fee_rate: int | None = None
    ) -> Shares:
        """How to empty the vault; see ``planning.share``."""
        return planning.share(self, candidates, rules=rules, most_inputs=most_inputs, fee_rate=fee_rate)

    def broadcast(self, raw: bytes) -> BroadcastOutcome:
        """Send and say what is known. A transaction the node held before, waiting or confirmed, is ``ALREADY_KNOWN``.

        Inputs it cannot find are ``UNKNOWN``: it says so as well of a confirmed transaction with every output spent.
        """
        try:
            txid = txid_of(raw)
        except MalformedTransaction as malformed:
            return BroadcastOutcome(BroadcastResult.REJECTED, f"no transaction: {malformed}")
        try:
            held_before = txid in self.in_mempool([txid])
            answer = self._rpc.call("sendrawtransaction", raw.hex())
        except NodeUnavailable as silent:
            return BroadcastOutcome(BroadcastResult.UNKNOWN, silent.message)
        except NodeRefused as refusal:
            return _outcome_of(refusal)
        if answer != txid:
            return BroadcastOutcome(BroadcastResult.UNKNOWN, "the node answered with another txid")
        return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN if held_before else BroadcastResult.ACCEPTED)

    def _each(self, method: str, calls: list[list[str | int]]) -> list[Any]:
        """One result per call in batches, ``None`` where the node has no such thing."""
        results: list[Any] = []
        remaining = iter(calls)
        while chunk := list(islice(remaining, TRANSACTIONS_PER_BATCH)):
            for result in self._rpc.batch(method, chunk):
                if isinstance(result, NodeRefused) and result.facts["rpc_code"] != NO_SUCH_THING:
                    raise result
                results.append(None if isinstance(result, NodeRefused) else result)
        return results

    def _scan(self, objects: Sequence[str | dict[str, Any]]) -> Holdings:
        if not objects:
            status = self.status()
            return Holdings(status.height, status.hash, ())
        for _ in range(SCAN_ATTEMPTS):
            answers = [
                self._scan_once(objects[start : start + SCRIPTS_PER_SCAN])
                for start in range(0, len(objects), SCRIPTS_PER_SCAN)
            ]
            tips = {(height, block_hash) for height, block_hash, _ in answers}
            if len(tips) == 1:
                ((height, block_hash),) = tips
                found = {(coin.txid, coin.position): coin for _, _, coins in answers for coin in coins}
                return Holdings(height, block_hash, tuple(found[outpoint] for outpoint in sorted(found)))
        raise NodeUnavailable("the tip moved during every attempt to scan in parts")

    def _scan_once(self, objects: Sequence[str | dict[str, Any]]) -> tuple[int, str, list[Holding]]:
        try:
            answer = self._rpc.call("scantxoutset", "start", list(objects), timeout_seconds=self._scan_timeout_seconds)
        except NodeRefused as refusal:
            if "already in progress" in refusal.message:
                raise NodeUnavailable("the node is busy with another scan") from None
            raise
        with expecting("scantxoutset"):
            if answer["success"] is not True:
                raise NodeUnavailable("the scan was aborted")
            tip = read_height(answer["height"], "scantxoutset"), read_hash(answer["bestblock"], "scantxoutset")
            return (*tip, read_holdings(answer["unspents"], asset=self._asset))


def _text_of(run: Series) -> str:
    text = run.source.change_text if run.change else run.source.receive_text
    if not text:
        raise InvalidInput("no address source of Bitcoin: the node cannot derive from it", field="series")
    return text


def _positions(run: Series) -> list[int]:
    first = run.source.first_position
    return [first, first + run.last]


def _outcome_of(refusal: NodeRefused) -> BroadcastOutcome:
    code, reason = refusal.facts["rpc_code"], refusal.facts["rpc_message"]
    if code == IN_CHAIN_ALREADY or any(word in reason for word in _KNOWN_WORDS):
        return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN, reason)
    missing = any(word in reason for word in _MISSING_WORDS)
    if missing or code not in (DOES_NOT_DECODE, NOT_VALID_NOW, NOT_ACCEPTED):
        return BroadcastOutcome(BroadcastResult.UNKNOWN, reason)
    return BroadcastOutcome(BroadcastResult.REJECTED, reason)
