"""``audit list | verify | export``: who did what, and whether every event is still there as it was written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from custody.cli import house
from custody.cli.exits import REFUSED, resumable, say
from custody.cli.inputs import new_file
from custody.cli.paged import ORDINARY, AfterOption, LimitOption, rows_of
from custody.cli.progress import watched
from custody.cli.showing import Format, FormatOption, is_for_people, minute, show, show_fields

app = typer.Typer(help="The hash-chained log of every change.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The hash-chained log of every change."""


@app.command("list")
def audit_list(
    actor: Annotated[str, typer.Option("--actor", help="Only by this one.")] = "",
    event: Annotated[str, typer.Option("--event", help="Only this: intent.approved.")] = "",
    subject: Annotated[str, typer.Option("--subject", metavar="ID", help="Only about this.")] = "",
    after: AfterOption = "",
    limit: LimitOption = ORDINARY,
    chosen: FormatOption = Format.TABLE,
) -> None:
    """List events, the newest first; by one actor, of one name or about one thing where asked.

    custody audit list --subject wdr_…
    """
    from custody.kernel.errors import InvalidInput
    from custody.views import auditing

    given = {name: word for name, word in (("actor", actor), ("event", event), ("subject", subject)) if word}
    if len(given) > 1:
        raise InvalidInput("accepted is one of --actor, --event, --subject", field=list(given)[-1])
    by, wanted = next(iter(given.items()), ("", ""))
    with house.reading() as (session, _):
        rows = rows_of(
            lambda cursor, most: auditing.log(session, by=by, wanted=wanted, after=cursor, limit=most),
            "events",
            after=after,
            limit=limit,
        )
    if is_for_people(chosen):
        rows = [row | {"at": minute(row["at"])} for row in rows]
    columns = ("sequence", "at", "event", "subject", "actor")
    show(rows, columns, chosen, wide=("correlation_id", "facts", "hash"))


@app.command("export")
def export(
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="A new file; - is standard output.")] = "-",
) -> None:
    """Write every event, oldest first, a JSON object a line, with the hashes that prove the chain.

    custody audit export --out audit.jsonl
    """
    if out == "-":
        sys.stdout.flush()
        for line in _every_event():
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    number = 0
    with resumable(f"{out} was not kept: run it again"), new_file(out) as file:
        for line in _every_event():
            file.write(line)
            number += 1
    say(f"{number} events written to {out}")


def _every_event() -> Iterator[bytes]:
    """Piece by piece out of one moment."""
    from custody.views import auditing

    behind = 0
    with house.reading() as (session, _):
        while piece := auditing.exported(session, behind=behind):
            behind = piece[-1][0]
            yield from (line for _, line in piece)


@app.command("verify")
def verify(chosen: FormatOption = Format.TABLE) -> None:
    """Walk the whole chain and print its head, to be compared with one kept elsewhere. Exit 1 when it is broken.

    custody audit verify
    """
    from custody.audit import queries

    with resumable("nothing was changed: run it again"), house.reading() as (session, _):
        head = queries.head(session)
        bad = queries.first_bad_record(session, watched=partial(watched, number=head.sequence, doing="reading"))
    show_fields({"sequence": head.sequence, "hash": head.hash, "intact": bad is None}, chosen)
    if bad is not None:
        say(f"error: audit: event {bad} is altered, missing or out of order")
        raise typer.Exit(REFUSED)
