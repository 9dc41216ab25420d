"""What is stuck, how the machinery stands, and the log of every change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element, joined
from custody.api.console.pages import listing
from custody.api.console.parts import Row, Tone

STUCK: Final = "/console/stuck"
QUEUE_STUCK: Final = "/console?tab=stuck"
RECONCILIATION: Final = "/console/reconciliation"
HEALTH: Final = "/console/health"
AUDIT: Final = "/console/audit"
_STATES: Final[Mapping[str, Tone]] = {"ok": "ok", "late": "warn", "down": "bad", "unknown": "bad"}
_FILTERS: Final = (("actor", "by whom"), ("event", "what happened"), ("subject", "to what"))


def stuck(visit: Visit, shown: Mapping[str, Any]) -> str:
    """What is past its deadline, the oldest first."""
    rows = [
        Row(
            (
                _what(each),
                listing.at(each["since"], visit.at),
                each["why"],
                each["money"],
                each["who"],
                each["runbook"],
            ),
            tone="warn",
        )
        for each in shown["rows"]
    ]
    caption = f"The oldest {len(rows)} of {shown['number']}" if shown["more"] else "Past its deadline, the oldest first"
    heads = ("what", "since", "why", "what it means for the money", "who can mend it", "docs/runbooks")
    words = f"{shown['number']} past the deadline." if rows else ""
    return page(
        visit,
        "Stuck",
        parts.table(caption, heads, rows, empty="Nothing is stuck: whatever waits is within its deadline."),
        element("p", parts.link("What people and payments wait for, page by page", QUEUE_STUCK), class_="pager")
        if shown["more"]
        else "",
        current=RECONCILIATION,
        banner=parts.banner(f"Nothing is lost; it waits. {words}", "warn") if rows else "",
    )


def health(visit: Visit, shown: Mapping[str, Any], versions: Mapping[str, str], reached: Mapping[str, str]) -> str:
    """A line for each thing the house leans on, then what this process reaches by itself, and what runs."""
    rows = [
        Row(
            (
                each["name"],
                parts.tag(each["state"], _STATES[each["state"]]),
                element("div", each["value"], class_="said"),
                each["threshold"],
                listing.at(each["since"], visit.at, never=""),
                each["money"],
                each["runbook"],
            ),
            tone="plain" if each["state"] == "ok" else _STATES[each["state"]],
        )
        for each in shown["lines"]
    ]
    unread = [each["name"] for each in shown["lines"] if each["state"] == "unknown"]
    wrong = [each for each in shown["lines"] if each["state"] in ("late", "down")]
    banner = ""
    if unread:
        banner = parts.banner(f"This page is not whole: {', '.join(unread)} could not be read.", "bad", more=len(wrong))
    elif wrong:
        banner = parts.banner(wrong[0]["money"], _STATES[wrong[0]["state"]], more=len(wrong) - 1)
    heads = ("what", "state", "now", "threshold", "since", "what it means for the money", "docs/runbooks")
    return page(
        visit,
        "Health",
        parts.table("By what the database says", heads, rows, empty="Nothing is asked for."),
        _reached(reached),
        parts.section("What runs", parts.facts(*((_RUNS[name], said) for name, said in versions.items()))),
        current=HEALTH,
        banner=banner,
    )


_RUNS: Final = {
    "program": "Custody",
    "schema": "schema",
    "postgres": "Postgres",
    "trust_root": "trust root, version",
    "policy": "policy",
}
_MEANT: Final = {
    "ok": "it answers",
    "late": "it answers, and its newest blocks are not read yet",
    "down": "it does not answer this process; others may reach it",
}


def _reached(reached: Mapping[str, str]) -> Markup:
    """What answers the process that made this page; of the workers' processes it says nothing."""
    rows = [Row((name, parts.tag(state, _STATES[state]), _MEANT[state])) for name, state in reached.items()]
    heads = ("what", "state", "what that means")
    return parts.table("What the process that shows this page reaches", heads, rows, empty="Nothing was asked.")


def audit(visit: Visit, shown: Mapping[str, Any], *, by: str, wanted: str, after: str | None, proof: Any = None) -> str:
    """The log, newest first, and what walking its chain found."""
    rows = [
        Row(
            (
                str(each["sequence"]),
                listing.at(each["at"], visit.at),
                parts.link(each["event"], listing.where(AUDIT, by="event", wanted=each["event"])),
                parts.link(each["actor"], listing.where(AUDIT, by="actor", wanted=each["actor"])),
                parts.link(each["subject"], listing.where(AUDIT, by="subject", wanted=each["subject"])),
                _facts(each["facts"]),
            )
        )
        for each in shown["events"]
    ]
    heads = ("record", "when", "what happened", "by whom", "to what", "facts")
    filters = parts.form(
        AUDIT,
        parts.choice("Look for", "by", [("", "everything"), *_FILTERS], chosen=by),
        parts.entry("that is", "wanted", value=wanted, kind="search"),
        parts.button("Show"),
        method="get",
        class_="filters",
    )
    chosen = dict(_FILTERS).get(by, "")
    return page(
        visit,
        "Audit",
        parts.section(
            "Does the chain hold?",
            element(
                "p",
                f"{shown['head']['sequence']:,} records; the last link is ".replace(",", "\u202f"),
                parts.hexadecimal(shown["head"]["hash"]),
            ),
            _proof(proof),
            parts.form(f"{AUDIT}/verify", parts.button("Walk the whole chain")),
            element("p", parts.link("All of it, a JSON object a line", f"{AUDIT}/export", class_="button")),
        ),
        filters,
        parts.table(
            f"Records {chosen} {wanted}" if by else "Records, the newest first", heads, rows, empty="No record is so."
        ),
        listing.turn(AUDIT, shown["next"], began=after is not None, by=by, wanted=wanted),
        current=AUDIT,
        banner=parts.banner(_WRONG.format(proof["first_bad"]), "bad") if proof and proof["first_bad"] else "",
    )


_WRONG: Final = "Record {} is not what was written: what the log says of money from there on proves nothing."


def _proof(proof: Mapping[str, Any] | None) -> Markup | str:
    if proof is None:
        return ""
    number = f"{proof['records']:,}".replace(",", "\u202f")
    if proof["first_bad"]:
        return element("p", parts.tag("broken", "bad"), f" the first bad record is {proof['first_bad']}", id="proof")
    return element("p", parts.tag("whole", "ok"), f" all {number} records are linked and unaltered", id="proof")


def _what(row: Mapping[str, Any]) -> Markup | str:
    words, page_of = f"{row['kind']} {listing.sentence(row['state'])}", _PAGES.get(row["kind"])
    if page_of is not None:
        called = element("span", f" {row['reference']}", class_="soft") if row["reference"] else ""
        return joined(parts.link(words, f"{page_of}/{row['id']}"), called)
    return element("span", f"{words} ", element("span", row["id"], class_="mono soft"))


_PAGES: Final = {
    "intent": "/console/intents",
    "withdrawal": "/console/withdrawals",
    "deposit": "/console/deposits",
}
"""Kinds of stuck things that have a page of their own."""


def _facts(facts: Mapping[str, Any]) -> Markup | str:
    if not facts:
        return ""
    return element("code", json.dumps(facts, sort_keys=True, ensure_ascii=False))
