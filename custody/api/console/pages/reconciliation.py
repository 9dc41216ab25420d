"""Whether the chain holds what the books say: now, over a month and run by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from custody.api.console import drawings, parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.pages.breaks import BREAK_HEADS, BREAKS, HERE, KINDS, break_row
from custody.api.console.parts import Row
from custody.kernel.clock import parse_rfc3339


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
    """The oldest open breaks, and the way to all there ever were."""
    rows = [break_row(visit, each) for each in shown["breaks"]]
    caption = "Breaks, the oldest first" + (f" (the first {len(rows)})" if shown["more_breaks"] else "")
    last = shown["last_resolved_at"]
    if not rows:
        settled = ("",) if last is None else (" The last one was settled ", listing.at(last, visit.at), ".")
        table = element("section", element("h2", caption), element("p", "No break is open.", *settled))
    else:
        table = parts.table(caption, BREAK_HEADS, rows, empty="", numbers=(2,))
    every = [parts.link("All open breaks", BREAKS)] if shown["more_breaks"] else []
    every += [parts.link("Settled breaks", f"{BREAKS}?state=settled")] if last else []
    return element("div", table, element("p", *every, class_="pager") if every else "")


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
