"""What a block did, as debits and credits: ether in every way it moves, registered tokens as their logs tell it.

**Ether.** Fees, value of transactions, of calls inside them, of created and destroyed contracts, withdrawals of the
beacon chain and tips: nothing else changes a balance, so for every address credits less debits is its balance's
change over the block. Where the node shows no traces, ether moved inside a transaction is known only as far as a Safe
speaks for itself (``SafeReceived``, what it says it executes), and the block is not ``complete``.

**Tokens.** ``Transfer`` logs of registered contracts; what they say is compared with balances in ``settling``.

**Positions** name a move inside its transaction, the same before and after a reorganisation, and the same from every
node: 0 is the fee; the k-th move of ether, in the order calls began, is 1 + 2k; what the j-th log of the transaction
tells is 2 + 2j. So no two moves of one transaction share a position; a move's debit and credit do. What the block
itself brings stands in a transaction named by the block's hash: tips are 0, the n-th withdrawal 1 + n. Moves of
nothing are left out.

**Spends.** A debit inside ``execTransaction`` of a Safe that ended with ``ExecutionSuccess`` is the spend of that
SafeTx hash, whoever relayed it and whatever else the transaction did; every other debit is its transaction's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from custody.chains.ethereum.answers import Act, Frame, Header, RawLog, Receipt, Sent
from custody.chains.ethereum.offline.address import address_bytes, checksum_address
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY
from custody.chains.ethereum.offline.erc20 import decode_transfer
from custody.chains.ethereum.offline.events import (
    CONFIGURATION,
    EXECUTION_FAILURE,
    EXECUTION_SUCCESS,
    PROXY_CREATION,
    SAFE_MULTISIG_TRANSACTION,
    SAFE_RECEIVED,
    TRANSFER,
    Log,
    configuration_change,
    ether_received,
    executed,
    execution_details,
    proxy_created,
    token_move,
)
from custody.chains.ethereum.offline.multisend import decode_multisend
from custody.chains.ethereum.offline.safe_tx import CALL, SafeTx
from custody.chains.port import Block, ChainTransaction, Credit, Debit, Outcome
from custody.kernel.errors import Refused

Traces = Mapping[str, Sequence[Frame]]
"""Transaction to its frames."""

FEE: Final = 0
TIPS: Final = 0

_READ: Final = frozenset(
    {EXECUTION_SUCCESS, EXECUTION_FAILURE, SAFE_MULTISIG_TRANSACTION, SAFE_RECEIVED, PROXY_CREATION, *CONFIGURATION}
)


@dataclass(slots=True)
class _Move:
    """``units`` from one place to another; ``None`` where a side is not known or not told."""

    position: int
    asset: str
    sender: bytes | None
    recipient: bytes | None
    units: int
    spend: str


def read_block(
    header: Header, receipts: Sequence[Receipt], traces: Traces | None, *, native: str, tokens: Mapping[bytes, str]
) -> Block:
    """All that moved in a block. ``tokens``: registered contracts (20 bytes) to CAIP-19 ids; ``None`` for no traces."""
    found = []
    brought = _brought_by_block(header, receipts, native)
    if brought.credits:
        found.append(brought)
    for sent, receipt in zip(header.transactions, receipts, strict=True):
        frames = None if traces is None else traces[sent.txid]
        found.append(_Reading(sent, receipt, frames, native, tokens).transaction())
    return Block(
        height=header.height,
        hash=header.hash,
        parent=header.parent,
        time=header.time,
        transactions=tuple(found),
        is_complete=traces is not None,
    )


def read_waiting(sent: Sent, *, native: str, tokens: Mapping[bytes, str]) -> ChainTransaction:
    """What a transaction that waits to be mined would pay if it succeeds: its own value, or one plain ``transfer``."""
    moves = [_Move(1, native, sent.sender, sent.to, sent.wei, sent.txid)]
    asset = tokens.get(sent.to) if sent.to is not None else None
    if asset is not None:
        try:
            call = decode_transfer(sent.data)
        except Refused:
            pass
        else:
            moves.append(_Move(2, asset, sent.sender, address_bytes(call.recipient), call.units, sent.txid))
    return _of_moves(sent.txid, moves)


def _brought_by_block(header: Header, receipts: Iterable[Receipt], native: str) -> ChainTransaction:
    tips = sum(receipt.tip_wei for receipt in receipts)
    brought = [(TIPS, header.producer, tips)]
    brought += [(1 + number, to, wei) for number, (to, wei) in enumerate(header.withdrawals)]
    return ChainTransaction(
        header.hash, True, (), tuple(Credit(position, to, native, wei) for position, to, wei in brought if wei)
    )


def _of_moves(
    txid: str, moves: Iterable[_Move], outcomes: Sequence[Outcome] = (), touched: Iterable[bytes] = ()
) -> ChainTransaction:
    ordered = sorted((move for move in moves if move.units), key=lambda move: move.position)
    return ChainTransaction(
        txid=txid,
        coinbase=False,
        debits=tuple(
            Debit(txid, move.position, move.sender, move.asset, move.units, move.spend)
            for move in ordered
            if move.sender is not None
        ),
        credits=tuple(
            Credit(move.position, move.recipient, move.asset, move.units)
            for move in ordered
            if move.recipient is not None
        ),
        outcomes=tuple(outcomes),
        touched=tuple(sorted(set(touched))),
    )


@dataclass(slots=True)
class _Bracket:
    """What a Safe did between saying what it executes and saying how that ended."""

    wei: int = 0
    moves: list[_Move] = field(default_factory=list)


class _Reading:
    """One transaction: its logs first, for they tell which spends were carried out, then its ether."""

    def __init__(
        self, sent: Sent, receipt: Receipt, frames: Sequence[Frame] | None, native: str, tokens: Mapping[bytes, str]
    ) -> None:
        self.sent, self.receipt, self.frames = sent, receipt, frames
        self.native, self.tokens = native, tokens
        self.moves = [_Move(FEE, native, sent.sender, None, receipt.fee_wei, sent.txid)]
        self.outcomes: list[Outcome] = []
        self.touched: set[bytes] = set()
        self.brackets: dict[bytes, list[_Bracket]] = {}
        self.loose: dict[bytes, _Bracket] = {}
        self.said_received: list[_Move] = []

    def transaction(self) -> ChainTransaction:
        for place, log in enumerate(self.receipt.logs):
            self._log(2 + 2 * place, log)
        if self.frames is None:
            self._ether_without_traces()
        else:
            self._ether(self.frames)
        return _of_moves(self.sent.txid, self.moves, self.outcomes, self.touched)

    def _log(self, position: int, raw: RawLog) -> None:
        if not raw.topics:
            return
        if raw.topics[0] == TRANSFER:
            if raw.emitter in self.tokens:
                self._token(position, raw)
        elif raw.topics[0] in _READ:
            self._safe(position, raw.emitter, Log(checksum_address(raw.emitter), raw.topics, raw.data))

    def _token(self, position: int, raw: RawLog) -> None:
        move = token_move(Log(checksum_address(raw.emitter), raw.topics, raw.data))
        if move is None:
            return
        sender, recipient = address_bytes(move.sender), address_bytes(move.recipient)
        made = _Move(position, self.tokens[raw.emitter], sender, recipient, move.units, self.sent.txid)
        self.moves.append(made)
        self._bracket(sender).moves.append(made)

    def _safe(self, position: int, safe: bytes, log: Log) -> None:
        created = proxy_created(log)
        self.touched.add(address_bytes(created.proxy) if created else safe)
        details, ended, received = execution_details(log), executed(log), ether_received(log)
        if details is not None:
            self.brackets.setdefault(safe, []).append(_Bracket(_wei_paid(details.tx)))
        elif ended is not None:
            spend = "0x" + ended.safe_tx_hash.hex()
            self.outcomes.append(Outcome(spend, safe, ended.success))
            self._end(position, safe, spend if ended.success else None)
        elif received is not None:
            sender = address_bytes(received.sender)
            self.said_received.append(_Move(position, self.native, sender, safe, received.wei, self.sent.txid))
        elif configuration_change(log) is None and created is None:
            self.touched.discard(safe)

    def _bracket(self, safe: bytes) -> _Bracket:
        """Where what ``safe`` does now belongs; of a Safe that logs no beginnings, up to its next end."""
        begun = self.brackets.get(safe)
        return begun[-1] if begun else self.loose.setdefault(safe, _Bracket())

    def _end(self, position: int, safe: bytes, spend: str | None) -> None:
        begun = self.brackets.get(safe)
        bracket = begun.pop() if begun else self.loose.pop(safe, _Bracket())
        if spend is None:
            return
        for move in bracket.moves:
            move.spend = spend
        if self.frames is None and bracket.wei:
            # The Safe speaks for itself alone: whom it paid is told by them, or by their balance.
            self.moves.append(_Move(position, self.native, safe, None, bracket.wei, spend))

    def _ether(self, frames: Sequence[Frame]) -> None:
        spends = self._spends_by_frame(frames)
        number = 0
        for place, frame in enumerate(frames):
            if not (frame.stands and self.receipt.succeeded):
                continue
            if frame.act is Act.DELEGATE:
                self.touched.add(frame.sender)
            if frame.act not in (Act.CALL, Act.CREATE, Act.DESTROY) or not frame.wei:
                continue
            if frame.sender != frame.to:
                spend = self._spend_of(frames, place, spends)
                self.moves.append(_Move(1 + 2 * number, self.native, frame.sender, frame.to, frame.wei, spend))
            number += 1

    def _spends_by_frame(self, frames: Sequence[Frame]) -> dict[int, Outcome]:
        """Frame to outcome of each execution: both are told in the order executions ended."""
        spends: dict[int, Outcome] = {}
        if not self.outcomes:
            return spends
        # Without a delegatecall under it nothing was executed: there was no code at that address yet.
        delegating = {(frame.above, frame.sender) for frame in frames if frame.act is Act.DELEGATE and frame.stands}
        asked: dict[bytes, list[int]] = {}
        for place in _in_order_of_ending(frames):
            frame = frames[place]
            if frame.asks_execution and frame.stands and frame.to is not None and (place, frame.to) in delegating:
                asked.setdefault(frame.to, []).append(place)
        for safe, places in asked.items():
            ended = [outcome for outcome in self.outcomes if outcome.locator == safe]
            if len(ended) == len(places):
                spends.update(zip(places, ended, strict=True))
        return spends

    def _spend_of(self, frames: Sequence[Frame], place: int, spends: Mapping[int, Outcome]) -> str:
        payer, above = frames[place].sender, frames[place].above
        while above >= 0:
            outcome = spends.get(above)
            if outcome is not None and outcome.locator == payer:
                return outcome.spend if outcome.succeeded else self.sent.txid
            above = frames[above].above
        return self.sent.txid

    def _ether_without_traces(self) -> None:
        if not self.receipt.succeeded:
            return
        to = self.sent.to if self.sent.to is not None else self.receipt.created
        own: tuple[bytes, bytes | None, int] | None = (self.sent.sender, to, self.sent.wei)
        if self.sent.wei and self.sent.sender != to:
            self.moves.append(_Move(1, self.native, self.sent.sender, to, self.sent.wei, self.sent.txid))
        for move in self.said_received:
            if (move.sender, move.recipient, move.units) == own:
                own = None  # The transaction's own value, told twice; a second log like it is another payment.
                continue
            move.sender = None
            self.moves.append(move)


def _in_order_of_ending(frames: Sequence[Frame]) -> list[int]:
    """Places of the frames, inner ones before the one they are in."""
    order: list[int] = []
    running: list[int] = []
    for place, frame in enumerate(frames):
        while running and running[-1] != frame.above:
            order.append(running.pop())
        running.append(place)
    return order + running[::-1]


def _wei_paid(tx: SafeTx) -> int:
    """What a Safe pays in ether if it executes this. A delegatecall to anything but the pinned batch tells nothing."""
    if tx.operation == CALL:
        return tx.value
    if tx.to != MULTI_SEND_CALL_ONLY.address:
        return 0
    try:
        return sum(call.value for call in decode_multisend(tx.data))
    except Refused:
        return 0
