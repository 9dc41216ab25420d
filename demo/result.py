"""What the demonstration ends with: the table per client and asset, the machine-readable line, the next commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from custody.bootstrap import ServedChain, with_registered
from custody.db import Database
from custody.kernel.money import Asset, format_decimal
from custody.ledger import queries as ledger
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.invariants import check_invariants
from custody.relaying import queries as relaying
from custody.relaying.states import CarriageState
from custody.reports.client_table import client_table
from demo.stage import Stage

if TYPE_CHECKING:
    from demo.tale import Tale

COLUMNS = ("deposited", "withdrawn", "fees", "available", "held", "on_chain", "difference")


LEAST_DECIMALS, BITCOIN_DECIMALS = 2, 8


def gather(stage: Stage, tale: Tale) -> dict[str, Any]:
    """Reconcile each chain twice (stored places, and ranges that do not believe our table), check, add up."""
    runtime = with_registered(stage.runtime)
    served = runtime.chains.values()
    breaks = sum(_breaks(chain, runtime.database) for chain in served)
    with runtime.database.unit() as unit:
        table = client_table(unit.session)
        payer = _payer(unit.session, stage)
        report = check_invariants(unit.session, terms=runtime.terms, deadlines=runtime.deadlines, now=unit.now)
    return {
        "balanced": not breaks and table.is_balanced and report.holds and payer["on_chain"] == payer["books"],
        "breaks": breaks,
        "chains": [chain.chain for chain in served],
        "assets": {asset.code: asset.decimals for asset in stage.assets},
        "clients": [row.to_json() for row in table.clients],
        "pools": [pool.to_json() for pool in table.pools],
        "payer": payer,
        "withdrawals": tale.withdrawals,
        "worker_kills": tale.worker_kills,
        "invariants": report.results,
    }


def _payer(session: Session, stage: Stage) -> dict[str, Any]:
    """Who paid to carry spends out: its ether on chain and in the books, and the gas of what it carried."""
    chain = stage.ether.chain
    known = relaying.payer(session, chain=chain, account=stage.payer)
    books = [total.onchain for total in ledger.vault_totals(session) if known and total.vault == known.vault]
    carried = relaying.carriages(session, chain=chain, account=stage.payer, states=(CarriageState.CONFIRMED,))
    spends = {spend for one in carried for variant in one.variants for spend in variant.spends}
    return {
        "account": stage.payer,
        "on_chain": str(stage.anvil.balance_wei(stage.payer)),
        "books": str(sum(books)),
        "carriages": len(carried),
        "gas": str(sum(relaying.gas_of(session, spend=spend) or 0 for spend in spends)),
    }


def _breaks(chain: ServedChain, database: Database) -> int:
    runs = [
        run(chain.node, database, chain=chain.chain, assets=chain.assets, start_height=chain.start_height)
        for run in (reconcile, reconcile_ranged)
    ]
    return sum(len(run.breaks) for run in runs)


def show(found: Mapping[str, Any], parts: Mapping[str, float]) -> None:
    """The table for people, and where the time went."""
    console = Console(width=118, highlight=False)
    table = Table(title="Books and chain, per client and asset", title_justify="left")
    table.add_column("client")
    table.add_column("asset")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for place, (code, decimals) in enumerate(found["assets"].items()):
        rows = [row for row in found["clients"] if row["asset"] == code]
        for row in rows:
            last = row is rows[-1] and place < len(found["assets"]) - 1
            table.add_row(row["name"], code, *(_shown(row[column], decimals) for column in COLUMNS), end_section=last)
    console.print(table)
    console.print(
        f"reconciliation: {found['breaks']} breaks on {len(found['chains'])} chains; "
        f"invariants checked on the live database: "
        f"{sum(found['invariants'].values())} of {len(found['invariants'])} hold"
    )
    payer = found["payer"]
    console.print(
        f"gas: {_shown(payer['gas'], 18)} ETH for {payer['carriages']} transactions that carried payments out, by "
        f"the house; its payer holds {_shown(payer['on_chain'], 18)} ETH, the books say {_shown(payer['books'], 18)}",
        soft_wrap=True,
    )
    console.print("time: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()), soft_wrap=True)


def print_line(found: Mapping[str, Any]) -> None:
    """The last line, for programs."""
    print("DEMO_RESULT " + json.dumps(found, separators=(",", ":")), flush=True)


def _shown(units: str, decimals: int) -> str:
    """Whole units, exactly; of noughts at the end only what keeps columns readable."""
    text = format_decimal(int(units), Asset("", "", decimals, ""))
    if decimals <= LEAST_DECIMALS or decimals == BITCOIN_DECIMALS:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(LEAST_DECIMALS, '0')}"
