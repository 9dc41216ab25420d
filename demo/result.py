"""What the demonstration ends with: the table per client, the machine-readable line, the next commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from custody.chains.bitcoin.offline.network import network
from custody.kernel.money import format_decimal
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.invariants import check_invariants
from custody.reports.client_table import client_table
from demo.stage import Stage

if TYPE_CHECKING:
    from demo.story import Tale

COLUMNS = ("deposited", "withdrawn", "fees", "available", "held", "on_chain", "difference")


def gather(stage: Stage, tale: Tale) -> dict[str, Any]:
    """Reconcile twice (stored scripts, and ranges that do not believe our table), check the invariants, add it up."""
    runtime = stage.runtime
    where: dict[str, Any] = {
        "chain": runtime.only.chain,
        "assets": runtime.only.assets,
        "start_height": runtime.only.start_height,
    }
    runs = [run(runtime.only.node, runtime.database, **where) for run in (reconcile, reconcile_ranged)]
    with runtime.database.unit() as unit:
        table = client_table(unit.session)
        report = check_invariants(unit.session, terms=runtime.terms, deadlines=runtime.deadlines, now=unit.now)
    breaks = sum(len(run.breaks) for run in runs)
    rows = [row.to_json() for row in table.clients]
    return {
        "balanced": not breaks and table.is_balanced and report.holds,
        "breaks": breaks,
        "chains": [runtime.only.chain],
        "clients": rows,
        "pools": [pool.to_json() for pool in table.pools],
        "withdrawals": tale.withdrawals,
        "worker_kills": tale.worker_kills,
        "invariants": report.results,
    }


def show(found: Mapping[str, Any], parts: Mapping[str, float]) -> None:
    """The table for people, and where the time went."""
    console = Console(width=118, highlight=False)
    table = Table(title="Books and chain, per client (BTC)", title_justify="left")
    table.add_column("client")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for row in found["clients"]:
        table.add_row(row["name"], *(_btc(row[column]) for column in COLUMNS))
    console.print(table)
    console.print(
        f"reconciliation: {found['breaks']} breaks; invariants checked on the live database: "
        f"{sum(found['invariants'].values())} of {len(found['invariants'])} hold"
    )
    console.print("time: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()), soft_wrap=True)


def print_line(found: Mapping[str, Any]) -> None:
    """The last line, for programs."""
    print("DEMO_RESULT " + json.dumps(found, separators=(",", ":")), flush=True)


def show_next_steps(stage: Stage, tale: Tale) -> None:
    """Commands to paste, each of which works."""
    custody = ".venv/bin/custody"
    acme = tale.clients["Acme"]
    print(
        f"""
It stays up. In another terminal (Ctrl-C here, or `make down`, stops everything):
  {custody} withdrawal list
  {custody} withdrawal create --client {acme} --amount 0.1 --max-fee 0.0003 \\
      --to {stage.bitcoind.wallet("faucet").new_address()} --purpose "first try" \\
      --key .custody/keys/exchange.pem --as exchange --token-file .custody/tokens/exchange
  {custody} approve WITHDRAWAL --key .custody/keys/alice.pem --as alice --token-file .custody/tokens/alice
  {custody} approve WITHDRAWAL --key .custody/keys/bob.pem --as bob --token-file .custody/tokens/bob
  {custody} withdrawal show WITHDRAWAL    (0.1 BTC takes two operators; then cosigners sign and it is broadcast)
  curl -d '{{"method":"generatetoaddress","params":[4,"{stage.bitcoind.wallet("faucet").new_address()}"]}}' \\
      "$(sed -n 's/^CUSTODY_BITCOIN_RPC_URL=//p' .custody/env)"
  {custody} reconcile""",
        flush=True,
    )


def _btc(units: str) -> str:
    return format_decimal(int(units), network("regtest").asset)
