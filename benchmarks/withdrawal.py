"""What one withdrawal costs as the house fills with clients: ``python -m benchmarks.withdrawal [--quick]``.

One client of a growing house withdraws 0.06 BTC past two operators and two cosigners: real API, real tasks (delivered
without a broker), real node and Postgres. Counted per step: SQL statements, units (commits), and the rows Postgres
read by its own count. For the whole: the tasks that ran in each state, and the transaction's virtual bytes beside what
the node's own wallet makes of the same coin. All of them must be the same at every size, and the rows at the largest
at most 1.2 times those at any smaller one (there are more at the smallest, where it is cheapest to read whole tables);
exits 1 if not. Then the other direction: the statements of the one task per block, beside none and beside five payments
that the last 144 blocks confirmed.

The other clients are written by SQL: each with a vault, four addresses, two credited deposits, and one completed
withdrawal with what it leaves behind: coins, movements, approvals, steps, attempt, bundle, answers, hold, messages and
a block. The journal knows one entry of each; the audit log nothing, for its chain cannot be invented. Reconciliation is
not run, so they need no coins on chain. After loading, tables are vacuumed and analysed, as autovacuum does in life.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.house import DATABASE, House, house
from custody.cosigner.answering import Signed
from custody.ledger.model import AccountKind, AccountRef, Entry, Posting, Reason
from custody.ledger.operations import post_batch
from custody.spends import queries as spends
from custody.spends.model import Attempt
from custody.vaults import queries as vaults
from demo.servers import btc

AMOUNT_SAT = 6_000_000
SIZES, QUICK_SIZES = (10, 100, 1_000, 10_000), (10, 1_000, 10_000)
FLAT = 1.2
"""Rows read beside more clients, times those beside fewer: not more than this is no growth."""

WATCHER = "watcher"
PER_BLOCK = "movements.advanced"
RECENT = 5
Result = TypeVar("Result")

FILL = """
INSERT INTO clients SELECT 'cli_' || lpad(n::text, 26, '0'), 'Client ' || n, 'segregated', 'active', NULL, now(), '',
  now() FROM generate_series({first}, {last}) n;
INSERT INTO vaults (id, keyset_id, branch, chain, kind, opened_at)
SELECT '{keyset}/' || n, '{keyset}', n, '{chain}', 'segregated', now() FROM generate_series({first}, {last}) n;
INSERT INTO vault_members SELECT 'cli_' || lpad(n::text, 26, '0'), '{keyset}', '{keyset}/' || n, now(), 'opening'
FROM generate_series({first}, {last}) n;
INSERT INTO addresses (vault_id, change, index, locator, address, state, client_id, seal, derived_at, issued_at)
SELECT '{keyset}/' || n, false, i, '\\x0020'::bytea || sha256((n || '/' || i)::bytea), n || '/' || i, 'issued',
  'cli_' || lpad(n::text, 26, '0'), '', now(), now() FROM generate_series({first}, {last}) n, generate_series(0, 3) i;
INSERT INTO coins (chain, txid, position, vault_id, address_id, change, locator, asset, units, coinbase, created_height,
  created_hash)
SELECT '{chain}', encode(sha256(('in ' || branch)::bytea), 'hex'), 0, a.vault_id, a.id, false, a.locator,
  '{asset}', 100000000, false, 1, 'old' FROM addresses a JOIN vaults v ON v.id = a.vault_id
WHERE a.index = 0 AND NOT a.change AND v.branch BETWEEN {first} AND {last};
INSERT INTO movements (chain, direction, vault_id, address_id, change, own_spend, coinbase, txid, position, asset,
  units, height, block_hash, seen_at)
SELECT chain, 'in', vault_id, address_id, false, false, false, txid, position, asset, units, 1, 'old', now() FROM coins
WHERE created_hash = 'old' AND vault_id IN (SELECT id FROM vaults WHERE branch BETWEEN {first} AND {last});
INSERT INTO deposits (id, chain, txid, position, vault_id, client_id, address_id, asset, units, coinbase, state, step,
  occurrence, required_depth, height, block_hash, entry_id, unbacked, first_seen_at, updated_at, booked_at)
SELECT 'dep_' || txid, chain, txid, position, vault_id, m.client_id, address_id, '{asset}', units, false, 'credited', 2,
  1, 3, 1, 'old', 1, false, now(), now(), now() FROM coins JOIN vault_members m USING (vault_id)
WHERE created_hash = 'old' AND vault_id IN (SELECT id FROM vaults WHERE branch BETWEEN {first} AND {last});
INSERT INTO intents SELECT 'old ' || n, 'withdrawal', '{{}}', '', '{{}}', 'exchange', 'old ' || n,
  'cli_' || lpad(n::text, 26, '0'), '{{}}', 'approved', now(), NULL, now(), now()
FROM generate_series({first}, {last}) n;
INSERT INTO withdrawals SELECT 'wdr_' || lpad(n::text, 26, '0'), 'old ' || n, 'cli_' || lpad(n::text, 26, '0'),
  '{keyset}/' || n, '{chain}', '{asset}', 1000000, 20000, 'old', '', NULL, 'completed', NULL, '{{}}',
  now() - interval '2 days', now() - interval '2 days', 500, 'old ' || n FROM generate_series({first}, {last}) n;
INSERT INTO attempts SELECT 'att_' || lpad(n::text, 26, '0'), 'wdr_' || lpad(n::text, 26, '0'), 1, '{chain}',
  '{keyset}/' || n, '[]', NULL, '', 'old ' || n, 500, 200, 'confirmed', '', now(), now(), -1000
FROM generate_series({first}, {last}) n;
INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after)
SELECT 'old ' || n, person, 'approve', 'old ' || n, '{{}}', now(), now()
FROM generate_series({first}, {last}) n, unnest(ARRAY['alice', 'bob']) person;
INSERT INTO withdrawal_transitions SELECT 'wdr_' || lpad(n::text, 26, '0'), step, '', '', '', '', now()
FROM generate_series({first}, {last}) n, generate_series(1, 7) step;
INSERT INTO bundles SELECT 'bnd_' || lpad(n::text, 26, '0'), 'att_' || lpad(n::text, 26, '0'), '{keyset}',
  '{keyset}/' || n, 2, 3, '{{}}', '', '[]', 'complete', '', 'old ' || n, now(), now(), 1
FROM generate_series({first}, {last}) n;
INSERT INTO bundle_deliveries SELECT 'bnd_' || lpad(n::text, 26, '0'), cosigner, now()
FROM generate_series({first}, {last}) n, unnest(ARRAY['north', 'south']) cosigner;
INSERT INTO bundle_answers SELECT 'bnd_' || lpad(n::text, 26, '0'), cosigner, 'signed', '[]', NULL, now()
FROM generate_series({first}, {last}) n, unnest(ARRAY['north', 'south']) cosigner;
INSERT INTO holds SELECT 'old ' || n, 'cli_' || lpad(n::text, 26, '0'), '{asset}', 1020000, 1020000,
  'wdr_' || lpad(n::text, 26, '0'), 'posted', 1, 1000500, '{keyset}/' || n, now(), now()
FROM generate_series({first}, {last}) n;
INSERT INTO outbox (topic, payload, correlation_id, created_at, due_at, attempts, done_at)
SELECT 'old', '{{}}', '', now(), now(), 1, now() FROM generate_series({first}, {last}) n, generate_series(1, 6) m;
INSERT INTO blocks SELECT '{chain}', -n, 'old', 'old', now() FROM generate_series({first}, {last}) n;
INSERT INTO coins (chain, txid, position, vault_id, address_id, change, locator, asset, units, coinbase, created_height,
  created_hash, spent_by, spent_height, spent_hash)
SELECT '{chain}', encode(sha256(('spent ' || branch)::bytea), 'hex'), 0, a.vault_id, a.id, false, a.locator,
  '{asset}', 1000500, false, -1000, 'old', 'old ' || branch, -1000, 'spent'
FROM addresses a JOIN vaults v ON v.id = a.vault_id
WHERE a.index = 1 AND NOT a.change AND v.branch BETWEEN {first} AND {last};
INSERT INTO movements (chain, direction, vault_id, address_id, change, own_spend, coinbase, txid, position, spent_by,
  asset, units, height, block_hash, seen_at)
SELECT chain, direction, vault_id, address_id, false, false, false, txid, position,
  CASE direction WHEN 'out' THEN spent_by END, asset, units, -1000, 'old', now()
FROM coins, unnest(ARRAY['in', 'out']) direction
WHERE spent_hash = 'spent' AND vault_id IN (SELECT id FROM vaults WHERE branch BETWEEN {first} AND {last});
INSERT INTO deposits (id, chain, txid, position, vault_id, client_id, address_id, asset, units, coinbase, state, step,
  occurrence, required_depth, height, block_hash, entry_id, unbacked, first_seen_at, updated_at, booked_at)
SELECT 'dep_' || txid, chain, txid, position, vault_id, m.client_id, address_id, '{asset}', units, false, 'credited', 2,
  1, 3, -1000, 'old', 1, false, now(), now(), now() FROM coins JOIN vault_members m USING (vault_id)
WHERE spent_hash = 'spent' AND vault_id IN (SELECT id FROM vaults WHERE branch BETWEEN {first} AND {last});
"""


@dataclass(frozen=True)
class Step:
    """One step of one withdrawal. ``found`` is the withdrawal's state when it began."""

    name: str
    is_task: bool
    found: str
    statements: int
    units: int
    rows: int
    milliseconds: float


@dataclass
class Run:
    """One withdrawal."""

    steps: list[Step] = field(default_factory=list)
    vbytes: int = 0
    node_vbytes: int = 0

    @property
    def statements(self) -> int:
        return sum(step.statements for step in self.steps)

    @property
    def rows(self) -> int:
        return sum(step.rows for step in self.steps)

    @property
    def milliseconds(self) -> float:
        return sum(step.milliseconds for step in self.steps)

    @property
    def tasks(self) -> Counter[str]:
        """State to how many tasks ran while the withdrawal was in it."""
        return Counter(step.found for step in self.steps if step.is_task)

    @property
    def shape(self) -> tuple[object, ...]:
        """What must not change with the number of clients."""
        return ([(step.name, step.statements, step.units) for step in self.steps], self.tasks, self.vbytes)


class Meter:
    """Runs steps one by one and notes what each cost."""

    def __init__(self, here: House) -> None:
        self.here, self.run, self.withdrawal = here, Run(), ""

    def step(self, name: str, work: Callable[[], Result], *, is_task: bool = False) -> Result:
        """Run ``work`` as the step ``name``."""
        count, found = self.here.count, state_of(self.here, self.withdrawal)
        rows, statements, units = self.here.rows_read(), count.statements, count.units
        began = time.perf_counter()
        result = work()
        spent = (time.perf_counter() - began) * 1000
        statements, units = count.statements - statements, count.units - units
        self.here.flush_statistics()
        self.run.steps.append(Step(name, is_task, found, statements, units, self.here.rows_read() - rows, spent))
        return result

    def tasks(self) -> None:
        """Every task that is due now, each a step; leasing is the relay's."""
        while messages := self.step("relay leases", self.here.lease):
            for message in messages:
                self.step(message.topic, partial(self.here.deliver, message), is_task=True)


def main() -> int:
    """Measure at every size and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three sizes, one withdrawal each")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder, house(Path(folder)) as here:
        runs = measure(here, QUICK_SIZES if quick else SIZES, repeats=1 if quick else 2)
        failed = report(runs)
        crowd(here, next(iter(runs.values()))[-1])
    return failed


def measure(here: House, sizes: tuple[int, ...], *, repeats: int) -> dict[int, list[Run]]:
    """Withdrawals of one client among ever more others."""
    client = here.open_client("Acme", branch=0)
    here.deposit(client, 200_000_000)
    watch(here)
    one(here, client)  # warms up: plans, connections, the policy, the first change address
    runs: dict[int, list[Run]] = {}
    others = 1
    for size in sizes:
        fill(here, others, size - 1)
        others = size
        runs[size] = []
        for _ in range(repeats):
            quieten(here)
            runs[size].append(one(here, client))
    return runs


def crowd(here: House, alone: Run) -> None:
    """What the one task per block costs while payments of the last 144 blocks are still watched."""
    runs = [one(here, here.clients["Acme"]) for _ in range(RECENT)]
    before, after = (max(step.statements for step in run.steps if step.name == PER_BLOCK) for run in (alone, runs[-1]))
    print(f"{PER_BLOCK}, one for all that move: {before} statements beside no recent payment, {after} beside {RECENT}")


def one(here: House, client: str) -> Run:
    """One withdrawal from the request to the books."""
    meter = Meter(here)
    request = here.withdrawal(client, AMOUNT_SAT, key=f"bench-{time.monotonic_ns()}")
    asked = meter.step("POST withdrawal", lambda: here.ask("/v1/withdrawals", request))
    meter.withdrawal = asked["id"]
    for person in ("alice", "bob"):
        meter.step("GET intent, POST approval", partial(here.approve, asked["intent_digest"], person))
    meter.tasks()
    attempt = newest_attempt(here, meter.withdrawal)
    meter.run.vbytes, meter.run.node_vbytes = attempt.weight, by_the_node(here, attempt, request.destination)
    for cosigner in ("north", "south"):
        sign(here, meter, cosigner)
    meter.tasks()
    for _ in range(2):
        here.bitcoind.mine(1)
        meter.step("chain.scan (one for all)", here.scan)
        meter.tasks()
    if state_of(here, meter.withdrawal) != "completed":
        raise RuntimeError(f"the withdrawal is {state_of(here, meter.withdrawal)}")
    return meter.run


def quieten(here: House) -> None:
    """Leave the withdrawal before far behind: out of the scan's overlap, and out of what is still watched."""
    here.bitcoind.mine(8)
    here.scan()
    here.work()
    with here.postgres.connect(DATABASE) as connection:
        connection.execute("UPDATE attempts SET confirmed_height = -1000 WHERE confirmed_height > 0")
    here.flush_statistics()


def sign(here: House, meter: Meter, cosigner: str) -> None:
    """One cosigner's part: fetch, judge on its own machine, hand in."""
    (bundle,) = meter.step("GET bundles", lambda: here.fetch(cosigner))
    answer: Signed = meter.step("cosigner verifies and signs", lambda: here.judge(cosigner, bundle))
    meter.step("POST signatures", lambda: here.hand_in(cosigner, answer))


def fill(here: House, first: int, last: int) -> None:
    """Make the clients numbered ``first`` to ``last``."""
    where = {
        "keyset": here.outcome.keyset.id,
        "chain": here.runtime.only.chain,
        "asset": here.runtime.only.addressing.native.id,
    }
    with here.postgres.connect(DATABASE) as connection:
        connection.execute(FILL.format(first=first, last=last, **where))
    for start in range(first, last + 1, 1000):
        entries = [_credit(number, where) for number in range(start, min(start + 1000, last + 1))]
        with here.runtime.database.unit() as unit:
            post_batch(unit.session, entries=entries, now=unit.now)
    with here.postgres.connect(DATABASE) as connection:
        connection.execute("VACUUM ANALYZE")


def watch(here: House) -> None:
    """Let a wallet of the node watch Acme's vault, as anybody with its descriptor can."""
    with here.runtime.database.unit() as unit:
        vault = vaults.get(unit.session, vault=f"{here.outcome.keyset.id}/0")
        source = vaults.source_of(unit.session, vault=vault)
    here.bitcoind.rpc("createwallet", wallet_name=WATCHER, disable_private_keys=True, blank=True)
    requests = [
        {"desc": text, "timestamp": 0, "active": True, "internal": change, "range": [0, 100]}
        for text, change in ((source.receive_text, False), (source.change_text, True))
    ]
    here.bitcoind.rpc("importdescriptors", requests, wallet=WATCHER)


def by_the_node(here: House, attempt: Attempt, destination: str) -> int:
    """The virtual bytes of the node's own transaction: same coin, same payment, same fee rate, change to the vault."""
    made = here.bitcoind.rpc(
        "walletcreatefundedpsbt",
        [{"txid": coin.txid, "vout": coin.position} for coin in attempt.coins],
        [{destination: btc(AMOUNT_SAT)}],
        0,
        {"fee_rate": max(1, attempt.fee_units // attempt.weight), "add_inputs": False},
        wallet=WATCHER,
    )
    found: int = here.bitcoind.rpc("analyzepsbt", made["psbt"])["estimated_vsize"]
    return found


def newest_attempt(here: House, withdrawal: str) -> Attempt:
    with here.runtime.database.unit() as unit:
        return spends.attempts(unit.session, withdrawal=withdrawal)[-1]


def state_of(here: House, withdrawal: str) -> str:
    with here.postgres.connect(DATABASE) as connection:
        row = connection.execute("SELECT state FROM withdrawals WHERE id = %s", (withdrawal,)).fetchone()
    return "" if row is None else str(row[0])


def report(runs: dict[int, list[Run]]) -> int:
    """Print one withdrawal step by step, then every size; 0 when nothing grows and no state takes two tasks."""
    steps(next(iter(runs.values()))[-1])
    first = next(iter(runs.values()))[-1]
    print(f"\n{'clients':>8} {'statements':>11} {'rows read':>10} {'vbytes':>7} {'tasks':>6} {'ms':>7}   ms spread")
    for size, found in runs.items():
        times, last = [run.milliseconds for run in found], found[-1]
        print(
            f"{size:>8,} {last.statements:>11} {last.rows:>10} {last.vbytes:>7} {sum(last.tasks.values()):>6} "
            f"{statistics.median(times):>7.0f}   {min(times):.0f} - {max(times):.0f}"
        )
    last = list(runs.values())[-1][-1]
    flat = all(run.shape == first.shape for found in runs.values() for run in found)
    single = max(max(run.tasks.values()) for found in runs.values() for run in found) <= 1
    print(f"{'ratio':>8} {last.statements / first.statements:>11.2f} {last.rows / first.rows:>10.2f} "
          f"{last.vbytes / first.vbytes:>7.2f} {'':>6} {last.milliseconds / first.milliseconds:>7.2f}")  # fmt: skip
    print(f"tasks per state: {dict(first.tasks)}; goal <=1: {'met' if single else 'MISSED'}")
    print(f"statements, units, tasks, vbytes at every size: goal equal: {'met' if flat else 'MISSED'}")
    print(f"vbytes: ours {first.vbytes}, the node's own wallet for the same payment {first.node_vbytes} "
          f"(its estimate): ratio {first.vbytes / first.node_vbytes:.3f}")  # fmt: skip
    if not flat:
        differences(first, last)
    level = rows_are_flat([found[-1] for found in runs.values()])
    return 0 if flat and single and level else 1


def rows_are_flat(runs: list[Run]) -> bool:
    """Say how many rows the last run read beside the one that read fewest, and which of its steps read more."""
    fewest, last = min(runs[:-1], key=lambda run: run.rows), runs[-1]
    ratio = last.rows / fewest.rows
    print(f"rows read: at the most clients {last.rows}, at fewer {fewest.rows} or more: ratio {ratio:.2f}; "
          f"goal <={FLAT}: {'met' if ratio <= FLAT else 'MISSED'}")  # fmt: skip
    for before, after in zip(fewest.steps, last.steps, strict=False):
        if after.rows > FLAT * before.rows + 20:
            print(f"  {after.name} ({after.found}): {before.rows} rows read, then {after.rows}")
    return ratio <= FLAT


def differences(first: Run, last: Run) -> None:
    """Which steps grew."""
    for before, after in zip(first.steps, last.steps, strict=False):
        if (before.name, before.statements, before.units) != (after.name, after.statements, after.units):
            print(f"  {before.name}: {before.statements} statements in {before.units} units, then "
                  f"{after.name}: {after.statements} in {after.units}")  # fmt: skip


def steps(run: Run) -> None:
    """One withdrawal, step by step."""
    print(f"{'step':30} {'in state':>20} {'statements':>11} {'units':>6} {'rows':>6} {'ms':>7}")
    for step in run.steps:
        name = f"task {step.name}" if step.is_task else step.name
        print(
            f"{name:30} {step.found:>20} {step.statements:>11} {step.units:>6} {step.rows:>6} {step.milliseconds:>7.1f}"
        )
    print(f"{'total':30} {'':>20} {run.statements:>11} {'':>6} {run.rows:>6} {run.milliseconds:>7.1f}")


def _credit(number: int, where: dict[str, Any]) -> Entry:
    client = AccountRef(AccountKind.AVAILABLE, f"cli_{number:026d}", where["asset"])
    vault = AccountRef(AccountKind.ONCHAIN, f"{where['keyset']}/{number}", where["asset"])
    postings = (Posting(client, 100_000_000), Posting(vault, -100_000_000))
    return Entry(f"old:{number}", Reason.DEPOSIT_CREDITED, f"old:{number}", "benchmark", postings)


if __name__ == "__main__":
    sys.exit(main())
