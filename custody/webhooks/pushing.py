"""Pushing: claim, send on many connections at once, settle; in units of its own, with no connection open inside one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

from custody.db import Database
from custody.db.unit import UnitConflict
from custody.kernel.errors import CustodyError, InvalidInput, Unavailable
from custody.webhooks import operations
from custody.webhooks.lanes import Chain, Lanes
from custody.webhooks.model import ANSWER_BYTES, Outcome, Parcel
from custody.webhooks.places import PlaceRefused
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import TIMEOUT_SECONDS, Answer, NoAnswer, Wire

THREADS: Final = 16
_ROOM: Final = 400
"""Parcels under way at once, more than one endpoint has (``SHARE``); a batch of results is written in one unit."""
_GATHER_SECONDS: Final = 0.01
_REST_SECONDS: Final = 1.0

log = structlog.get_logger("custody.webhooks")


class Pusher:
    """Sends what is due until it is stopped. Several of them beside each other share the work."""

    def __init__(
        self, database: Database, *, sealer: Sealer, wire: Wire, lease: timedelta, threads: int = THREADS
    ) -> None:
        self._database, self._sealer, self._wire, self._lease = database, sealer, wire, lease
        self._lanes = Lanes(threads)
        self._came: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._unsettled: list[Outcome] = []
        self._under_way: dict[int, Parcel] = {}
        self._threads = [
            threading.Thread(target=self._send_all, name=f"push {number}", daemon=True) for number in range(threads)
        ]

    def run(self, stop: threading.Event, rung: threading.Event) -> None:
        """Push until ``stop``; ``rung`` says that there is news. What is under way at the end is settled still."""
        for thread in self._threads:
            thread.start()
        while not stop.is_set():
            try:
                if not self.turn() and not self._under_way:
                    rung.wait(_REST_SECONDS)
                    rung.clear()
            except (Unavailable, UnitConflict) as error:
                log.warning("waits", why=error.code)
                stop.wait(_REST_SECONDS)
        self._lanes.close()
        for thread in self._threads:
            thread.join()
        self._settle(self._gather(0.0))

    def turn(self) -> int:
        """Settle what came back and hand out what is due; how many parcels that were together."""
        outcomes = self._gather(_GATHER_SECONDS if self._under_way else 0.0)
        self._settle(outcomes)
        prompt = self._lanes.prompt()
        # Those that fail or are late take nobody's room.
        room = _ROOM - sum(not each.is_failing and each.endpoint in prompt for each in self._under_way.values())
        began = time.monotonic()
        parcels = self._claim(room, prompt) if room >= _ROOM // 4 else []
        self._under_way |= {parcel.delivery: parcel for parcel in parcels}
        # Another may claim what a lease that ran out held: nothing leaves that could then still be on its way.
        until = began + self._lease.total_seconds() - TIMEOUT_SECONDS
        for each in chains(parcels):
            self._lanes.put(Chain(each, until))
        return len(outcomes) + len(parcels)

    def _claim(self, room: int, prompt: Collection[str]) -> list[Parcel]:
        with self._database.unit() as unit:
            operations.take_over(unit.session, now=unit.now)
        with self._database.unit() as unit:
            return operations.claim(
                unit.session, sealer=self._sealer, lease=self._lease, room=room, prompt=prompt, now=unit.now
            )

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """What could not be written down is kept and written with the next."""
        self._unsettled.extend(outcomes)
        if self._unsettled:
            with self._database.unit() as unit:
                operations.settle(unit.session, outcomes=self._unsettled, now=unit.now)
            for each in self._unsettled:
                held = self._under_way.get(each.delivery)
                if held is not None and held.attempt == each.attempt:
                    del self._under_way[each.delivery]
            self._unsettled.clear()

    def _gather(self, seconds: float) -> list[Outcome]:
        """What came back within ``seconds``, up to a batch."""
        found: list[Outcome] = []
        until = time.monotonic() + seconds
        while len(found) < _ROOM:
            try:
                found.append(self._came.get(timeout=max(until - time.monotonic(), 0.000_1)))
            except queue.Empty:
                break
        return found

    def _send_all(self) -> None:
        while (chain := self._lanes.take()) is not None:
            for outcome in send_in_order(self._wire, chain.parcels, until=chain.until):
                self._came.put(outcome)
                for parcel in self._lanes.came(chain, outcome):
                    self._came.put(_unsent(parcel))
            self._lanes.done(chain)


def chains(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
    """The parcels by what they have to stay in order with."""
    found: dict[tuple[str, str, str], list[Parcel]] = {}
    for parcel in parcels:
        found.setdefault(parcel.order, []).append(parcel)
    return list(found.values())


def send_in_order(wire: Wire, parcels: Sequence[Parcel], *, until: float) -> Iterator[Outcome]:
    """Send parcels of one object; after one that is not taken, or ``until``, the rest is not tried."""
    stops = False
    for parcel in parcels:
        stops = stops or time.monotonic() > until
        outcome = _unsent(parcel) if stops else send(wire, parcel)
        stops = stops or outcome.problem is not None
        yield outcome


def send(wire: Wire, parcel: Parcel) -> Outcome:
    """Send one parcel. Whatever happens is an outcome; nothing is raised."""
    began = time.monotonic()
    answer, problem = _answer(wire, parcel)
    latency_ms = int(1_000 * (time.monotonic() - began))
    if answer is None:
        return Outcome(parcel.delivery, parcel.endpoint, parcel.attempt, None, latency_ms, problem)
    return Outcome(
        delivery=parcel.delivery,
        endpoint=parcel.endpoint,
        attempt=parcel.attempt,
        status=answer.status,
        latency_ms=latency_ms,
        problem=_problem(answer.status),
        answer=_readable(answer.body),
        retry_after=_seconds(answer.headers.get("retry-after", "")),
        retry_at=_moment(answer.headers.get("retry-after", "")),
    )


def _answer(wire: Wire, parcel: Parcel) -> tuple[Answer | None, str | None]:
    try:
        return wire.post(parcel.url, parcel.headers, parcel.body, asker=parcel.client or parcel.endpoint), None
    except (PlaceRefused, InvalidInput) as error:
        return None, f"not sent: {error.message}"
    except NoAnswer as error:
        return None, str(error)
    except CustodyError as error:
        return None, f"not sent: {error.code}"
    except Exception as error:
        # A thread that ends would leave its parcels under way for ever.
        log.exception("sending failed", endpoint=parcel.endpoint)
        return None, f"not sent: {type(error).__name__}"


def _problem(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered {status}: a redirect is not followed"
    return f"answered {status}"


def _readable(body: bytes) -> str:
    """The beginning of an answer as text that can be stored and shown."""
    text = body[:ANSWER_BYTES].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _seconds(said: str) -> timedelta | None:
    return timedelta(seconds=int(said)) if said.isascii() and said.isdigit() and len(said) < 9 else None


def _moment(said: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said)
    except (TypeError, ValueError, OverflowError):
        # The last one is for numbers that no clock has.
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unsent(parcel: Parcel) -> Outcome:
    return Outcome(parcel.delivery, parcel.endpoint, parcel.attempt, None, 0, "not its turn yet", is_unsent=True)
