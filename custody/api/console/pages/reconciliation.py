"""Whether the chain holds what the books say: now, over a month, run by run, and one break told three times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import drawings, parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.parts import Row
from custody.kernel.clock import parse_rfc3339

HERE: Final = "/console/reconciliation"
KINDS: Final = {"scripts": "by our addresses", "ranged": "derived by the node"}


def overview(visit: Visit, shown: Mapping[str, Any], names: Mapping[str, str], *, after: str | None) -> str:
    """One line a chain first; then breaks by age, coverage and the runs."""
    breaks = shown["breaks"]
    return page(
        visit,
        "Reconciliation",
        *(_standing(visit, each, breaks, names) for each in shown["chains"]),
        _breaks(visit, shown),
        parts.section("Coverage over 30 days", *_coverage(visit, shown["coverage"])),
        _runs(visit, shown["runs"], names),
        listing.turn(HERE, shown["next"], began=after is not None),
        current=HERE,
        banner=parts.banner("Nothing leaves the vaults that differ until it is explained.", "bad") if breaks else "",
    )


def one_break(visit: Visit, shown: Mapping[str, Any], *further: str) -> str:
    """What differs, what the chain, our index and the books say of it, and what is stopped; ``further`` is below."""
    open_ = shown["resolution"] is None
    differs = listing.money(shown["difference"], shown["asset"])
    return page(
        visit,
        f"Break: {listing.sentence(shown['check'].replace('-', ' '))}",
        element(
            "p", parts.tag("open" if open_ else shown["resolution"], "bad" if open_ else "ok"), " difference ", differs
        ),
        parts.lines(shown["detail"]),
        _told(shown),
        parts.facts(
            ("expected", listing.money(shown["expected"], shown["asset"])),
            ("found", listing.money(shown["found"], shown["asset"])),
            ("vault", parts.link(shown["vault"], f"/console/vaults/{shown['vault']}")),
            ("since", listing.at(shown["opened_at"], visit.at)),
            ("found by the run at block", f"{shown['run']['height']} {shown['run']['hash']}"),
            ("how that run asked", KINDS.get(shown["run"]["kind"], shown["run"]["kind"])),
            ("settled by", _settled(shown)),
            ("runbook", "docs/runbooks/break-found.md"),
        ),
        listing.stops(shown["stops"], visit.at),
        *further,
        current=HERE,
        banner=parts.banner("Nothing leaves this vault until the break is settled.", "bad") if open_ else "",
    )


def _standing(visit: Visit, line: Mapping[str, Any], breaks: Sequence[Any], names: Mapping[str, str]) -> Markup:
    """``Balanced at block 871 204, 42 s ago, 0 breaks``."""
    name, run = listing.network(line["chain"], names), line["run"]
    if run is None:
        words = "Nobody has compared books and chain yet; a run is rung by the schedule, or: custody reconcile"
        return parts.section(name, element("p", parts.tag("not compared yet", "warn"), f" {words}"))
    is_fine = run["result"] == "balanced"
    word = "Balanced" if is_fine else "Books and chain differ"
    height = f"{run['height']:,}".replace(",", "\u202f")
    ago = parts.apart(parse_rfc3339(run["finished_at"], field="finished_at"), visit.at)
    said = element(
        "p",
        parts.tag("balanced" if is_fine else "break", "ok" if is_fine else "bad"),
        element(
            "strong",
            f" {word} at block {height}, {ago}, {len(breaks)} open {'break' if len(breaks) == 1 else 'breaks'}",
        ),
    )
    rows = [
        Row(
            (
                each["asset"]["code"],
                *(listing.money(each[part], each["asset"]) for part in ("node", "books", "in_flight", "difference")),
                drawings.percent(each["coverage"]),
            ),
            tone="plain" if each["difference"]["base_units"] == "0" else "bad",
        )
        for each in run["sums"]
    ]
    heads = ("asset", "the node holds", "the books say", "in flight", "difference", "coverage")
    return parts.section(
        name, said, parts.table(f"All vaults of {name}", heads, rows, empty="No vault yet.", numbers=(1, 2, 3, 4, 5))
    )


def _breaks(visit: Visit, shown: Mapping[str, Any]) -> Markup:
    rows = [
        Row(
            (
                parts.link(listing.sentence(each["check"].replace("-", " ")), f"/console/breaks/{each['id']}"),
                parts.link(each["vault"], f"/console/vaults/{each['vault']}"),
                listing.money(each["difference"], each["asset"]),
                each["detail"],
                listing.at(each["opened_at"], visit.at),
                "operators: explain or correct it",
            ),
            tone="bad",
        )
        for each in shown["breaks"]
    ]
    caption = "Breaks, the oldest first" + (f" (the first {len(rows)})" if shown["more_breaks"] else "")
    heads = ("what differs", "vault", "difference", "found", "since", "next step")
    last = shown["last_resolved_at"]
    empty = "No break is open." if last is None else "No break is open. The last one was settled "
    table = parts.table(caption, heads, rows, empty=empty, numbers=(2,))
    return (
        table
        if rows or last is None
        else element("section", element("h2", caption), element("p", empty, listing.at(last, visit.at)))
    )


def _coverage(visit: Visit, series: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The chart, and the same as a table."""
    if not series:
        return [element("p", "No run in 30 days: there is nothing to draw.")]
    worst = min(point["coverage"] for each in series for point in each["points"])
    said = f"The least in 30 days is {drawings.percent(worst)} of what the books say."
    chart = drawings.coverage_chart(series, until=visit.at.date(), label=f"Coverage over 30 days. {said}")
    rows = [
        Row(
            (
                point["day"],
                each["asset"]["code"],
                str(point["height"]),
                drawings.percent(point["coverage"]),
                listing.money(point["difference"], each["asset"]),
                parts.tag(point["result"], "ok" if point["result"] == "balanced" else "bad"),
            )
        )
        for each in series
        for point in reversed(each["points"])
    ]
    heads = ("day", "asset", "block", "coverage", "difference", "result")
    table = parts.table("Coverage, a day a row", heads, rows, empty="", numbers=(2, 3, 4))
    return [element("p", said), chart, parts.disclosure("The same as a table", table)]


def _runs(visit: Visit, runs: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    rows = [
        Row(
            (
                listing.at(each["finished_at"], visit.at),
                listing.network(each["chain"], names),
                KINDS.get(each["kind"], each["kind"]),
                str(each["height"]),
                parts.tag(each["result"], "ok" if each["result"] == "balanced" else "bad"),
                listing.stacked(
                    [listing.money(one["difference"], one["asset"]) for one in each["sums"]], none="no vault"
                ),
            ),
            tone="plain" if each["result"] == "balanced" else "bad",
        )
        for each in runs
    ]
    heads = ("when", "network", "how", "block", "result", "difference")
    empty = "No run yet. One is rung by the schedule, or: custody reconcile"
    return parts.table("Runs, the newest first", heads, rows, empty=empty, numbers=(3, 5))


def _told(shown: Mapping[str, Any]) -> Markup:
    """Chain, index and books beside each other."""
    columns, asset = shown["columns"], shown["asset"]
    if columns is None:
        return element("p", "The run that found it kept no line of this vault.")
    books, index = columns["books"], columns["index"]
    flying = [
        Row((f"in flight: {each['kind']}", "", "", listing.money(each["amount"], asset))) for each in books["in_flight"]
    ]
    rows = [
        Row(
            (
                "what lies there",
                *(listing.money(each, asset) for each in (columns["chain"]["node"], index["coins"], books["ledger"])),
            )
        ),
        Row(("what came less what went", "", listing.money(index["movements"], asset), "")),
        Row(("nobody's yet", "", "", listing.money(books["suspense"], asset))),
        *flying,
        Row(("left unexplained", listing.money(columns["difference"], asset), "", ""), tone="bad"),
    ]
    heads = ("", "the chain says", "our index says", "the books say")
    return parts.table("Told three times", ("amount", *heads[1:]), rows, empty="", numbers=(1, 2, 3))


def _settled(shown: Mapping[str, Any]) -> Markup | str:
    digest = shown["resolved_by"]
    return "nobody yet" if digest is None else parts.link("this intent", f"/console/intents/{digest}")
