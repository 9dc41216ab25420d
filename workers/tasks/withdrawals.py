"""The effects of a withdrawal: compose, broadcast, replace. Read, act and write are three steps."""

from __future__ import annotations

from typing import Any, NoReturn

from custody.bootstrap import Runtime, ServedChain
from custody.chains.port import BroadcastOutcome, BroadcastResult
from custody.chains.spending import CannotReplace, FeeOverCap, NothingFree, WouldFail
from custody.kernel.crash import crash_point
from custody.kernel.errors import CustodyError, Unavailable
from custody.relaying import queries as relaying
from custody.relaying.effect import CannotCarryYet
from custody.relaying.operations import PayerStopped
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from workers.carrying import NoPayer, hand_over
from workers.unit import chain_task, effect_task


class MustWait(Unavailable):
    """What it needs is not there yet (coins in flight, a fee under the ceiling, a lifted freeze); asked again later."""

    code = "must-wait"


class NotAccepted(Unavailable):
    """The node does not take the transaction now; it is offered again."""

    code = "not-accepted"


@effect_task("withdrawals.compose")
def compose(runtime: Runtime, /, *, correlation_id: str, withdrawal: str, **_: Any) -> None:
    """Plan on the node, then attach the attempt and its bundle."""
    del correlation_id
    here = _chain_of(runtime, withdrawal)
    rules = here.spend_rules
    with runtime.database.unit() as unit:
        candidates = withdrawals.composable(unit.session, withdrawal=withdrawal, rules=rules)
    if candidates is None:
        return
    try:
        planned = here.node.plan(candidates, rules=rules)
        crash_point("withdrawals.planned")
        with runtime.database.unit() as unit:
            withdrawals.compose(
                unit.session,
                planned=planned,
                trust=in_force(unit.session),
                rules=rules,
                seal_key=runtime.seal_key,
                now=unit.now,
            )
            crash_point("withdrawals.compose_before_commit")
    except WouldFail as error:
        with runtime.database.unit() as unit:
            withdrawals.mark_unpayable(unit.session, withdrawal=withdrawal, why=str(error), now=unit.now)
    except (NothingFree, FeeOverCap, withdrawals.VaultStopped, withdrawals.PolicyWaits) as error:
        _wait(runtime, withdrawal, error)


@effect_task("withdrawals.broadcast")
def broadcast(runtime: Runtime, /, *, correlation_id: str, withdrawal: str, attempt: str, **_: Any) -> None:
    """Hand the final attempt to the node or to whoever carries it; whatever the node answers, it was sent."""
    del correlation_id
    try:
        with runtime.database.unit() as unit:
            whose = queries.get(unit.session, withdrawal=withdrawal)
            found = withdrawals.sendable(unit.session, attempt=attempt)
            held = found and withdrawals.held_back(
                unit.session, attempt=attempt, trust=in_force(unit.session), now=unit.now
            )
    except withdrawals.VaultStopped as error:
        _wait(runtime, withdrawal, error)
    if found is None or found.final is None:
        return
    if isinstance(held, str):
        _wait(runtime, withdrawal, withdrawals.PolicyWaits(held))
    here = runtime.of(whose.chain)
    here.node.require_ready()
    crash_point("withdrawals.before_send")
    try:
        outcome = hand_over(runtime, here, spend=found.spend, final=found.final, withdrawal=whose)
    except (CannotCarryYet, NoPayer, PayerStopped) as error:
        _wait(runtime, withdrawal, error)
    crash_point("withdrawals.sent")
    with runtime.database.unit() as unit:
        withdrawals.mark_sent(unit.session, attempt=attempt, outcome=_words(outcome), now=unit.now)
    if outcome.result in (BroadcastResult.REJECTED, BroadcastResult.UNKNOWN):
        _say_waiting(runtime, withdrawal, f"node: {outcome.reason or outcome.result}")
        raise NotAccepted(outcome.reason or "nothing is known of it yet", withdrawal=withdrawal)


@effect_task("withdrawals.replace")
def replace(runtime: Runtime, /, *, correlation_id: str, withdrawal: str, fee_rate: int, **_: Any) -> None:
    """Plan a replacement with a higher fee, then attach it and its bundle."""
    del correlation_id
    here = _chain_of(runtime, withdrawal)
    rules = here.spend_rules
    with runtime.database.unit() as unit:
        candidates = withdrawals.replaceable(unit.session, withdrawal=withdrawal, rules=rules)
    if candidates is None:
        return
    try:
        planned = here.node.plan(candidates, rules=rules, fee_rate=fee_rate)
        crash_point("withdrawals.replacement_planned")
        with runtime.database.unit() as unit:
            withdrawals.replace(
                unit.session,
                planned=planned,
                trust=in_force(unit.session),
                rules=rules,
                seal_key=runtime.seal_key,
                now=unit.now,
            )
            crash_point("withdrawals.replace_before_commit")
    except CannotReplace as error:
        _say_waiting(runtime, withdrawal, str(error))
        raise
    except withdrawals.VaultStopped as error:
        _wait(runtime, withdrawal, error)


@chain_task("withdrawals.rebroadcast")
def rebroadcast(runtime: Runtime, here: ServedChain) -> None:
    """Ask again for what was sent and is neither in the node's mempool nor in a block.

    What is carried by somebody else is sent again by whoever follows the payer; asked for is what the node once said to
    be over and no block that was read shows: the block it said that of may be gone.
    """
    with runtime.database.unit() as unit:
        sent = withdrawals.sent_attempts(unit.session, chain=here.chain)
        spends = [attempt.spend for attempt in sent]
        held = set(spends) - relaying.ended_among(unit.session, chain=here.chain, spends=spends)
    if not here.is_carried:
        held = here.node.in_mempool(spends)
    missing = [attempt for attempt in sent if attempt.spend not in held]
    if missing:
        with runtime.database.unit() as unit:
            withdrawals.request_rebroadcast(unit.session, attempts=missing, now=unit.now)


def _chain_of(runtime: Runtime, withdrawal: str) -> ServedChain:
    with runtime.database.unit() as unit:
        return runtime.of(queries.get(unit.session, withdrawal=withdrawal).chain)


def _wait(runtime: Runtime, withdrawal: str, error: CustodyError) -> NoReturn:
    _say_waiting(runtime, withdrawal, str(error))
    raise MustWait(str(error), withdrawal=withdrawal) from error


def _say_waiting(runtime: Runtime, withdrawal: str, why: str) -> None:
    with runtime.database.unit() as unit:
        withdrawals.wait(unit.session, withdrawal=withdrawal, waiting_for=why, now=unit.now)


def _words(outcome: BroadcastOutcome) -> str:
    return f"{outcome.result}: {outcome.reason}" if outcome.reason else str(outcome.result)
