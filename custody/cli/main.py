"""``custody``: one noun, one verb, one line when something is wrong.

Commands import what they need when they run, so help is there at once.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from custody.cli import (
    api,
    asking,
    assets,
    books,
    chain_of_events,
    console,
    database,
    deposits,
    destinations,
    doctor,
    environment,
    events,
    freezes,
    holdings,
    ledger,
    listings,
    machinery,
    meta,
    notices,
    oneself,
    openapi,
    parties,
    passkeys,
    payer,
    policy,
    prices,
    reconciling,
    respends,
    rotation,
    rulebook,
    second_opinion,
    strays,
    trust,
    vaults,
    verdicts,
    watching,
    webhooks,
    withdrawals,
)
from custody.cli.exits import run

app = typer.Typer(
    name="custody",
    help="Multisig custody: look at the books, reconcile, ask for withdrawals, give verdicts.\n\n"
    "What exit codes mean: custody exit-codes.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)


@app.callback()
def settings(
    env: Annotated[
        str, typer.Option("--env", help="File of NAME=VALUE settings; ./.custody/env is read where there is one.")
    ] = "",
) -> None:
    """Multisig custody: look at the books, reconcile, ask for withdrawals, give verdicts."""
    environment.prepare(env)


books.add_to(app)
machinery.add_to(app)
reconciling.add_to(freezes.breaks)
freezes.add_to(app)
verdicts.add_to(app)
second_opinion.add_to(app)
meta.add_to(app)
oneself.add_to(app)
doctor.add_to(app)
app.command("openapi")(openapi.print_openapi)
respends.add_to(withdrawals.app)
watching.add_to(withdrawals.app)
rulebook.add_to(policy.app)
for name, group in (
    ("account", ledger.accounts),
    ("api", api.app),
    ("assets", assets.app),
    ("audit", chain_of_events.app),
    ("balance", holdings.balance),
    ("break", freezes.breaks),
    ("client", parties.clients),
    ("address", parties.addresses),
    ("console", console.app),
    ("db", database.app),
    ("deposit", deposits.app),
    ("destination", destinations.app),
    ("entry", ledger.entries),
    ("event", events.app),
    ("job", events.jobs),
    ("passkey", passkeys.app),
    ("intent", asking.app),
    ("listing", listings.app),
    ("notice", notices.app),
    ("payer", payer.app),
    ("people", rulebook.people),
    ("pledge", holdings.pledge),
    ("policy", policy.app),
    ("price", prices.app),
    ("reconciliation", reconciling.app),
    ("rotation", rotation.app),
    ("strays", strays.app),
    ("trust", trust.app),
    ("vault", vaults.app),
    ("verdict", verdicts.app),
    ("webhook", webhooks.app),
    ("withdrawal", withdrawals.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run one command and exit with its code."""
    # Most of what a short command takes is importing, of which nothing is garbage: looking for it took a seventh.
    gc.set_threshold(100_000)
    sys.exit(run(app))


if __name__ == "__main__":
    main()
