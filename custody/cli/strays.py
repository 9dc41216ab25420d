"""``strays``: what arrived at addresses of ours on chains that are not theirs."""

from __future__ import annotations

from custody.cli import house
from custody.cli.showing import Format, FormatOption, show


def strays(chosen: FormatOption = Format.TABLE) -> None:
    """List what came to our addresses on another chain than theirs. It is credited to nobody.

    custody strays --format json
    """
    from custody.movements import queries

    with house.reading() as (session, _):
        rows = [item.to_json() for item in queries.strays(session)]
    show(rows, ("chain", "client", "vault", "asset", "units", "txid", "height"), chosen)
