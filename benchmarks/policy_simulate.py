"""Replaying 100,000 stored requests under a document, read from one real Postgres through a cursor, with a bar.

First, equal verdicts: on a sample from the middle of the history, what the replay decides is what the engine decides
with windows counted anew. Then the time of the whole, the requests a second, and the memory it grew by between the
first tenth and the end, which is what a list of all requests would not keep.

    .venv/bin/python -m benchmarks.policy_simulate [--quick]
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg

from custody.approvals import history
from custody.cli.policy_showing import with_progress
from custody.db import Database
from custody.db.migrations.run import upgrade
from custody.kernel.clock import rfc3339
from custody.reports.simulation import simulated
from demo.servers import Postgres
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.simulation import Replayed, Rolling
from policies.windows import PastRequest, measure

POLICIES = Path(__file__).parents[1] / "policies"
START = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS_APART = 60
DISTINCT = 2_000
"""Decisions the history is made of; each row has its own client and moment."""
SAMPLE, BEFORE = 200, 3_000
GOAL_SECONDS = 120
GOAL_GROWTH_MEGABYTES = 64
COLUMNS = (
    "digest, kind, document, request_hash, request_signature, requester, idempotency_key, client_id, decision, "
    "state, not_after, created_at"
)


def main() -> int:
    """Print what it took; 1 where a verdict differs, or time or memory miss their goals."""
    number = 5_000 if "--quick" in sys.argv else 100_000
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder))
        try:
            server.start()
            owner_url, app_url = server.create_database("bench")
            upgrade(owner_url)
            _store(owner_url, number)
            return _measure(Database(app_url), number)
        finally:
            server.destroy()


def _store(owner_url: str, number: int) -> None:
    """A history decided under the shipped document for an exchange, with whole decisions, as the house stores them."""
    random, document = Random(4), _document("exchange-standard")
    decisions = [evaluate(document, _facts(random), nothing_used).to_json() for _ in range(DISTINCT)]
    plain = owner_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY intents ({COLUMNS}) FROM STDIN") as copy:
            for place in range(number):
                written = random.choice(decisions)
                client, at = f"client-{random.randrange(500)}", START + timedelta(seconds=SECONDS_APART * place)
                facts = {**written["facts"], "client": client, "now": rfc3339(at)}
                state = "approved" if random.random() < 0.9 else "rejected"
                digest, said = f"{place:064x}", json.dumps({**written, "facts": facts})
                row = (digest, facts["kind"], "{}", digest, "{}", "exchange", digest, client, said, state, at, at)
                copy.write_row(row)
        cursor.execute("ANALYZE intents")


def _measure(database: Database, number: int) -> int:
    document, memory = _document("collateral-venue"), list[int]()
    until = START + timedelta(seconds=SECONDS_APART * number)

    def shown(requests: Iterable[Replayed], known: int) -> Iterable[Replayed]:
        for place, request in enumerate(with_progress(requests, known)):
            if place == number // 10:
                memory.append(_megabytes())
            yield request

    with database.unit() as unit:
        is_same = _verdicts(list(history.decided(unit.session, since=_sampled(until), until=until)), document)
        began = time.perf_counter_ns()
        found = simulated(unit.session, document, since=START, until=until, shown=shown)
        milliseconds = (time.perf_counter_ns() - began) // 1_000_000
    growth = _megabytes() - memory[0]
    rate = found.requests * 1_000 // max(1, milliseconds)
    print(f"{found.requests} requests in {milliseconds} ms: {rate} a second, goal {GOAL_SECONDS} s for all")
    print(f"memory grew by {growth} MB after the first tenth, goal {GOAL_GROWTH_MEGABYTES} MB")
    print(", ".join(f"{change} {number}" for change, number in found.changes.most_common()))
    is_good = milliseconds <= GOAL_SECONDS * 1_000 and growth <= GOAL_GROWTH_MEGABYTES
    return 0 if is_same and is_good and found.requests == number else 1


def _sampled(until: datetime) -> datetime:
    return until - timedelta(seconds=SECONDS_APART * (SAMPLE + BEFORE))


def _verdicts(requests: list[Replayed], document: Document) -> bool:
    """The last of ``requests`` beside windows counted anew from those before them."""
    windows, before, same = Rolling(document), list[PastRequest](), 0
    for place, request in enumerate(requests):
        kept_up = evaluate(document, request.facts, windows.usage(request.facts))
        if place >= len(requests) - SAMPLE:
            anew = evaluate(document, request.facts, measure(document, request.facts, before))
            same += (anew.outcome, anew.obligations) == (kept_up.outcome, kept_up.obligations)
        before.append(PastRequest(request.facts, request.facts.now, released=False))
        windows.add(request.facts)
    print(f"{same} of {SAMPLE} verdicts are those of windows counted anew")
    return same == SAMPLE


def _facts(random: Random) -> Facts:
    units = random.choice([10**5, 10**6, 10**7, 3 * 10**7, 10**8, 6 * 10**8])
    return Facts(
        kind=random.choice(["withdrawal"] * 18 + ["pledge_release", "policy_change"]),
        requester="exchange",
        now=START,
        client="somebody",
        client_status=random.choice(["active"] * 30 + ["frozen"]),
        segregation="segregated",
        asset="BTC",
        decimals=8,
        chain="bip122:000000000019d6689c085ae165831e93",
        destination=random.choice(["listed"] * 4 + ["new"]),
        destination_code="plain",
        destination_text=f"address {random.randrange(2000)}",
        amount_units=units,
        usd_micros=units * 1_000,
        usd_micros_asked=units * 1_000,
        price_state=random.choice(["fresh"] * 40 + ["stale"]),
        price_age_seconds=30,
        screening=random.choice(["clear"] * 20 + ["review"]),
        collateral=random.choice(["none", "none", "met"]),
        vault_break="none",
        books_age_seconds=600,
    )


def _document(name: str) -> Document:
    return load_document((POLICIES / "documents" / f"{name}.yaml").read_text())


def _megabytes() -> int:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


if __name__ == "__main__":
    sys.exit(main())
