"""Carrying: ask the node with no unit open, give a number and store the bytes in one unit, send, write what was said.

``send`` is for one spend that is due; ``follow``, on a schedule, takes up what the chain did, sends again, bids more,
and carries whatever waits. Both may run in several processes at once and be killed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from custody.chains.carrying import (
    CarrierNode,
    Draft,
    Market,
    Payer,
    PayerKey,
    PayerRules,
    Prospect,
    Readiness,
    Standing,
)
from custody.chains.port import BroadcastOutcome, BroadcastResult
from custody.chains.registry import addressing, payer
from custody.chains.spending import FeeOverCap, Terms
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.kernel.errors import InvalidInput, Unavailable
from custody.movements import queries as movements
from custody.movements.model import Tip
from custody.movements.scan import OVERLAP, look_again
from custody.relaying import operations, queries
from custody.relaying.model import Load, StoredCarriage, first_bid, groups, raised_bid, within_caps
from custody.relaying.states import CarriageState, LoadState

ACTOR = "relaying"
LOADS_AT_ONCE = 100


class CannotCarryYet(Unavailable):
    """The spend waits: its message says what for. It is carried when it can be, or offered again."""

    code = "cannot-carry-yet"


class NotReadYet(Unavailable):
    """The payer can only be taken on where the chain has been read to the node's newest block: try again."""

    code = "chain-not-read-yet"


Wanted = Callable[[Session, Sequence[str]], frozenset[str]]
"""Those of these spends that their owner wants carried now: asked again each time, for minds and vaults change."""


@dataclass(frozen=True, slots=True, repr=False)
class Lane:
    """One payer of one chain, and all that carrying takes. Has no readable ``repr``."""

    database: Database
    node: CarrierNode
    chain: str
    key: PayerKey
    rules: PayerRules
    terms: Terms
    wanted: Wanted

    @property
    def payer(self) -> Payer:
        """What the chain says of payers. Raises ``InvalidInput`` where spends carry themselves."""
        found = payer(self.chain)
        if found is None:
            raise InvalidInput("spends of this chain carry themselves", field="chain")
        return found


def send(
    database: Database,
    node: CarrierNode,
    *,
    chain: str,
    payer_key: PayerKey,
    rules: PayerRules,
    terms: Terms,
    wanted: Wanted,
    spend: str,
    final: bytes,
    client: str | None = None,
    ceiling_units: int = 0,
) -> BroadcastOutcome:
    """Carry a signed spend, with whatever else waits; what the node said of its carriage. Again is harmless.

    ``ALREADY_KNOWN`` also where its turn is used up. Raises ``CannotCarryYet`` where it has to wait, ``PayerStopped``,
    ``KeyUsedElsewhere`` (the payer is stopped then), and what the node raises.
    """
    lane = Lane(database, node, chain, payer_key, rules, terms, wanted)
    with database.unit() as unit:
        load = operations.offer(
            unit.session,
            chain=chain,
            spend=spend,
            final=final,
            client=client,
            ceiling_units=ceiling_units,
            now=unit.now,
        )
    crash_point("relaying.offered")
    if load.state is LoadState.RIDING and load.carriage is not None:
        return _again(lane, load.carriage)
    if load.state is LoadState.ENDED and _still_ended(lane, load):
        return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN, "its turn is used up")
    said = carry(lane)
    with database.unit() as unit:
        after = queries.load(unit.session, chain=chain, spend=spend)
    assert after is not None
    if after.state is LoadState.ENDED:
        return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN, "its turn is used up")
    if after.carriage is None or after.state is not LoadState.RIDING:
        raise CannotCarryYet(after.waiting_for or "waits for its turn", chain=chain, spend=spend)
    return said.get(after.carriage) or BroadcastOutcome(BroadcastResult.UNKNOWN, "another process carries it")


def follow(
    database: Database,
    node: CarrierNode,
    *,
    chain: str,
    payer_key: PayerKey,
    rules: PayerRules,
    terms: Terms,
    wanted: Wanted,
    is_sending: bool = True,
) -> None:
    """Bring everything of the payer's on: books, what landed, what waits for a block, what waits to be carried.

    Run it after each ``movements.advanced`` and ``movements.reorganised``, and on a schedule. Not ``is_sending``, books
    alone are kept. Raises as ``send`` does but for ``CannotCarryYet``.
    """
    lane = Lane(database, node, chain, payer_key, rules, terms, wanted)
    _prepare(lane)
    with database.unit() as unit:
        operations.take_up(unit.session, chain=chain, account=payer_key.account, now=unit.now)
        operations.settle(unit.session, chain=chain, account=payer_key.account, rules=rules, now=unit.now)
    crash_point("relaying.settled")
    if not is_sending:
        return
    _release(lane)
    standing = _expect_numbers(lane)
    with database.unit() as unit:
        waiting = queries.carriages(
            unit.session,
            chain=chain,
            account=payer_key.account,
            states=(CarriageState.BUILT, CarriageState.SENT),
        )
    for stored in waiting:
        if stored.number >= standing.used:
            _push(lane, stored)
    carry(lane)


def carry(lane: Lane) -> dict[str, BroadcastOutcome]:
    """Carry whatever waits and can go; what the node said, by carriage. Raises as ``follow`` does."""
    _prepare(lane)
    standing = _expect_numbers(lane)
    ready = _ready_of_all(lane)
    if not ready:
        return {}
    market, said = lane.node.market(), {}
    for group in groups(_affordable(lane, ready, market), lane.rules):
        stored = _built(lane, group, market, standing)
        if stored is not None:
            crash_point("relaying.built")
            said[stored.id] = _hand_over(lane, stored, len(stored.variants) - 1)
    return said


def _prepare(lane: Lane) -> None:
    """Take the payer on when it is first used."""
    with lane.database.unit() as unit:
        known = queries.payer(unit.session, chain=lane.chain, account=lane.key.account)
    if known is None:
        register(lane)


def register(lane: Lane, *, first_number: int = 0) -> None:
    """Take the key's account on as the chain's payer, which has sent ``first_number`` transactions before.

    What it has by then is capital. Raises ``KeyUsedElsewhere`` where the chain counts otherwise, ``NotReadYet``.
    """
    standing = lane.node.standing(lane.key.account)
    before, tip = _opening(lane)
    opening = lane.node.held_at(lane.key.locator, height=before.height)
    try:
        with lane.database.unit() as unit:
            operations.register(
                unit.session,
                chain=lane.chain,
                account=lane.key.account,
                locator=lane.key.locator,
                asset=addressing(lane.chain).native.id,
                standing=standing,
                first_number=first_number,
                opening_units=opening,
                before=before,
                expected_tip=tip,
                actor=ACTOR,
                now=unit.now,
            )
    except operations.KeyUsedElsewhere as error:
        _stop(lane, error)
        raise
    crash_point("relaying.registered")
    look_again(lane.node, lane.database, chain=lane.chain, assets={addressing(lane.chain).native.id})


def _opening(lane: Lane) -> tuple[Tip, Tip]:
    """The block before those that a scan matches once more, and the newest one read."""
    with lane.database.unit() as unit:
        tip = movements.tip(unit.session, chain=lane.chain)
        again = (
            []
            if tip is None
            else movements.stored_below(unit.session, chain=lane.chain, height=tip.height, limit=OVERLAP)
        )
    if tip is None or lane.node.block_hash(tip.height) != tip.hash:
        raise NotReadYet("the chain was not read yet", chain=lane.chain)
    height = max(again[-1].height - 1, 0)
    found = lane.node.block_hash(height)
    if found is None:
        raise NotReadYet("the node does not show its own blocks", chain=lane.chain)
    return Tip(height, found), tip


def _expect_numbers(lane: Lane) -> Standing:
    standing = lane.node.standing(lane.key.account)
    try:
        with lane.database.unit() as unit:
            operations.expect_numbers(unit.session, chain=lane.chain, account=lane.key.account, standing=standing)
            operations.note_level(
                unit.session,
                chain=lane.chain,
                account=lane.key.account,
                units=standing.units,
                low_units=lane.rules.low_units,
                actor=ACTOR,
                now=unit.now,
            )
    except operations.KeyUsedElsewhere as error:
        _stop(lane, error)
        raise
    return standing


def _stop(lane: Lane, error: operations.KeyUsedElsewhere) -> None:
    with lane.database.unit() as unit:
        operations.stop(
            unit.session, chain=lane.chain, account=lane.key.account, why=error.message, actor=ACTOR, now=unit.now
        )


def _ready_of_all(lane: Lane) -> list[tuple[Load, Prospect]]:
    """Of all that waits what can go now, page by page: what cannot go must not stand before what can."""
    newest: dict[str, tuple[Load, Prospect]] = {}
    last: Load | None = None
    while True:
        with lane.database.unit() as unit:
            page = queries.waiting(unit.session, chain=lane.chain, limit=LOADS_AT_ONCE, after=last)
            wanted = lane.wanted(unit.session, [load.spend for load in page])
            idle = {load.spend: "a word that it may be sent" for load in page if load.spend not in wanted}
            operations.wait(unit.session, chain=lane.chain, reasons=idle, now=unit.now)
        if waiting := [load for load in page if load.spend in wanted]:
            newest |= {load.claim: (load, item) for load, item in _ready(lane, waiting)}
            crash_point("relaying.examined")
        if len(page) < LOADS_AT_ONCE:
            return list(newest.values())
        last = page[-1]


def _ready(lane: Lane, waiting: Sequence[Load]) -> list[tuple[Load, Prospect]]:
    """What can go now, one for each claim, the newest offered; of the rest, why not is written down."""
    prospects = lane.node.examine([load.final for load in waiting], account=lane.key.account)
    told = list(zip(waiting, prospects, strict=True))
    early = {load.spend: "a spend before it" for load, item in told if item.readiness is Readiness.EARLY}
    failing = {
        load.spend: f"carried now it would fail: {item.reason}"
        for load, item in told
        if item.readiness is Readiness.FAILING
    }
    with lane.database.unit() as unit:
        taken = queries.claims_riding(unit.session, chain=lane.chain)
        ended = [load.spend for load, item in told if item.readiness is Readiness.ENDED]
        operations.end(unit.session, chain=lane.chain, spends=ended, now=unit.now)
        operations.wait(unit.session, chain=lane.chain, reasons=early, now=unit.now)
        operations.wait(unit.session, chain=lane.chain, reasons=failing, alarm="spend-would-fail", now=unit.now)
    newest = {load.claim: (load, item) for load, item in told if item.can_go and load.claim not in taken}
    return list(newest.values())


def _affordable(lane: Lane, ready: Sequence[tuple[Load, Prospect]], market: Market) -> list[tuple[Load, Prospect]]:
    """Those whose own fee is under every cap (I16); the others wait for the market, and say so."""
    found, reasons = [], {}
    for load, prospect in ready:
        try:
            least = market.base + first_bid(market, lane.rules).tip
            lane.terms.check_fee(
                fee_units=least * prospect.weight,
                weight=prospect.weight,
                paid_units=lane.payer.paid_units(load.final),
                ceiling_units=None,
            )
            found.append((load, prospect))
        except FeeOverCap as over:
            reasons[load.spend] = f"a lower fee: {over.message}"
    _wait(lane, reasons)
    return found


def _built(
    lane: Lane, group: Sequence[tuple[Load, Prospect]], market: Market, standing: Standing
) -> StoredCarriage | None:
    draft = lane.payer.draft([(load.final, prospect) for load, prospect in group])
    try:
        bid = first_bid(market, lane.rules)
        bid = within_caps(bid, draft, lane.terms, least=market.base + bid.tip)
    except FeeOverCap as over:
        _wait(lane, {load.spend: f"a lower fee: {over.message}" for load, _ in group})
        return None
    if _promised(lane) + draft.weight_limit * bid.rate > standing.units:
        _wait(lane, {load.spend: "the payer to be topped up" for load, _ in group})
        return None
    with lane.database.unit() as unit:
        return operations.build(unit.session, chain=lane.chain, key=lane.key, draft=draft, bid=bid, now=unit.now)


def _promised(lane: Lane) -> int:
    """What carriages that wait for a block may cost at the most."""
    with lane.database.unit() as unit:
        waiting = queries.carriages(
            unit.session,
            chain=lane.chain,
            account=lane.key.account,
            states=(CarriageState.BUILT, CarriageState.SENT),
        )
    return sum(max(item.weight_limit * item.bid.rate for item in stored.variants) for stored in waiting)


def _wait(lane: Lane, reasons: dict[str, str]) -> None:
    if reasons:
        with lane.database.unit() as unit:
            operations.wait(unit.session, chain=lane.chain, reasons=reasons, now=unit.now)


def _hand_over(lane: Lane, stored: StoredCarriage, place: int) -> BroadcastOutcome:
    variant = stored.variants[place]
    outcome = lane.node.broadcast(variant.raw)
    crash_point("relaying.sent")
    said = f"{outcome.result}: {outcome.reason}" if outcome.reason else str(outcome.result)
    with lane.database.unit() as unit:
        operations.sent(unit.session, carriage=stored.id, txid=variant.txid, outcome=said, now=unit.now)
    return outcome


def _again(lane: Lane, carriage: str) -> BroadcastOutcome:
    """Send it once more: the newest of its transactions the node takes."""
    with lane.database.unit() as unit:
        stored = queries.carriage(unit.session, carriage=carriage)
    if stored.height is not None:
        return BroadcastOutcome(BroadcastResult.ALREADY_KNOWN, "in a block")
    return _send_newest(lane, stored)


def _send_newest(lane: Lane, stored: StoredCarriage) -> BroadcastOutcome:
    outcome = BroadcastOutcome(BroadcastResult.UNKNOWN, "never sent")
    for place in reversed(range(len(stored.variants))):
        outcome = _hand_over(lane, stored, place)
        if outcome.result is not BroadcastResult.REJECTED:
            break
    return outcome


def _push(lane: Lane, stored: StoredCarriage) -> None:
    """Send what waits for a block once more; when it has waited too long, or somebody asked, bid more.

    What carries something that is wanted no more is not sent again: what takes its number goes without that.
    """
    spends = stored.variants[-1].spends
    with lane.database.unit() as unit:
        is_wanted = lane.wanted(unit.session, spends).issuperset(spends)
        is_due = stored.raise_asked or unit.now - stored.newest_at >= lane.rules.raise_after or not is_wanted
    if is_wanted:
        _send_newest(lane, stored)
    if not is_due:
        return
    draft, market = _what_is_left(lane, stored), lane.node.market()
    earlier = [variant.bid for variant in stored.variants]
    try:
        bid = raised_bid(earlier, market, lane.rules)
        bid = within_caps(bid, draft, lane.terms, least=bid.rate)
    except FeeOverCap as over:
        with lane.database.unit() as unit:
            operations.cannot_raise(unit.session, carriage=stored.id, why=f"a lower fee: {over.message}")
        return
    with lane.database.unit() as unit:
        replaced = operations.replace(
            unit.session,
            carriage=stored.id,
            variants=len(stored.variants),
            key=lane.key,
            draft=draft,
            bid=bid,
            now=unit.now,
        )
    if replaced is not None:
        crash_point("relaying.replaced")
        _hand_over(lane, replaced, len(replaced.variants) - 1)


def _what_is_left(lane: Lane, stored: StoredCarriage) -> Draft:
    """A carriage of what rides on it and can still go; of nothing, where all has ended or would fail."""
    with lane.database.unit() as unit:
        riding = queries.loads_of(unit.session, carriage=stored.id, state=LoadState.RIDING)
        wanted = lane.wanted(unit.session, [load.spend for load in riding])
    riding = [load for load in riding if load.spend in wanted]
    prospects = lane.node.examine([load.final for load in riding], account=lane.key.account)
    able = [(load, item) for load, item in zip(riding, prospects, strict=True) if item.can_go]
    if len(able) > 1:
        able = [(load, item) for load, item in able if item.readiness is Readiness.READY]
    if not able:
        return lane.payer.idle(lane.key.account)
    return lane.payer.draft([(load.final, item) for load, item in able])


def _release(lane: Lane) -> None:
    """Ask of what rode on carriages that landed whether it was carried out; what was not waits for another one."""
    with lane.database.unit() as unit:
        riding = queries.landed(unit.session, chain=lane.chain, account=lane.key.account)
    for carriage, loads in riding.items():
        prospects = lane.node.examine([load.final for load in loads], account=lane.key.account)
        ended = [load.spend for load, item in zip(loads, prospects, strict=True) if item.readiness is Readiness.ENDED]
        left = [load.spend for load in loads if load.spend not in ended]
        with lane.database.unit() as unit:
            operations.end(unit.session, chain=lane.chain, spends=ended, now=unit.now)
            operations.release(
                unit.session,
                chain=lane.chain,
                carriage=carriage,
                spends=left,
                most_tries=lane.rules.most_tries,
                now=unit.now,
            )


def _still_ended(lane: Lane, load: Load) -> bool:
    (prospect,) = lane.node.examine([load.final], account=lane.key.account)
    if prospect.readiness is Readiness.ENDED:
        return True
    with lane.database.unit() as unit:
        operations.reopen(unit.session, chain=lane.chain, spend=load.spend, actor=ACTOR, now=unit.now)
    return False
