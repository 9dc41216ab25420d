"""Webhook endpoints: where events are pushed, what waits, what came of each attempt, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.asking import Question
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element
from custody.api.console.pages import listing
from custody.api.console.pages.stepping import step as step_page
from custody.api.console.parts import Row, Tone
from custody.kernel.clock import parse_rfc3339
from custody.webhooks.model import Endpoint

WEBHOOKS: Final = "/console/webhooks"
HEALTH: Final = "/console/health"
ACTIONS: Final = {
    "test": "Send a test event",
    "resend": "Resend what failed",
    "disable": "Disable",
    "enable": "Enable again",
}
_EFFECTS: Final = {
    "test": "One event, webhook_endpoint.test, is pushed there, once, and nowhere else. Money is not touched.",
    "resend": "Every event that this endpoint did not take is sent again, piece by piece. Money is not touched.",
    "disable": "Nothing is pushed there until it is enabled; what is told meanwhile waits. Money is not touched.",
    "enable": "What waited is pushed there, in order, and what is told from now on. Money is not touched.",
}


def webhooks(visit: Visit, shown: Sequence[Mapping[str, Any]]) -> str:
    """Every endpoint, and how one is made."""
    return page(
        visit,
        "Webhooks",
        element("p", "No money waits for a webhook: what is not taken here is in the feed of events all the same."),
        parts.table(
            "Endpoints",
            ("label", "address", "whose", "stands", "waits", "failing", "last taken"),
            [_endpoint(visit, each) for each in shown],
            empty="No endpoint is registered. One is made with POST /v1/webhook-endpoints.",
            numbers=(4, 5),
        ),
        current=HEALTH,
    )


def webhook(visit: Visit, shown: Mapping[str, Any], *, after: str | None) -> str:
    """One endpoint, a page of its deliveries, and the attempts of the one that is named."""
    found = shown["endpoint"]
    return page(
        visit,
        f"Webhook {found['label'] or found['id']}",
        parts.table(
            "How it stands",
            ("label", "address", "whose", "stands", "waits", "failing", "last taken"),
            [_endpoint(visit, found)],
            empty="",
            numbers=(4, 5),
        ),
        parts.section("What can be done", *(_action(found, each) for each in ACTIONS)),
        _resending(visit, shown["job"]) if shown["job"] else "",
        _attempts(visit, shown["event"], shown["attempts"]) if shown["event"] else "",
        parts.table(
            "Deliveries, the newest first",
            ("event", "type", "about", "stands", "attempts", "next attempt"),
            [_delivery(visit, each) for each in shown["deliveries"]],
            empty="Nothing was sent there yet.",
            numbers=(4,),
        ),
        listing.turn(f"{WEBHOOKS}/{found['id']}", shown["next"], began=after is not None),
        element("p", parts.link("All endpoints", WEBHOOKS)),
        current=HEALTH,
    )


def step(visit: Visit, endpoint: Endpoint, action: str, asked: Question | None) -> str:
    """What pressing does, and the button that asks the passkey."""
    return step_page(
        visit,
        ACTIONS[action],
        effect=_EFFECTS[action],
        facts=(("endpoint", endpoint.id), ("address", endpoint.url), ("action", action)),
        asked=asked,
        back=f"{WEBHOOKS}/{endpoint.id}",
        current=HEALTH,
        style="reject" if action == "disable" else "approve",
    )


def _endpoint(visit: Visit, found: Mapping[str, Any]) -> Row:
    tone: Tone = "bad" if found["status"] == "disabled" else ("warn" if found["failing_since"] else "ok")
    why = f": {found['reason']}" if found["reason"] else ""
    failing = ""
    if found["failing_since"]:
        failing = f", failing since {parse_rfc3339(found['failing_since'], field='since'):%Y-%m-%d %H:%M} UTC"
    return Row(
        (
            parts.link(found["label"] or found["id"], f"{WEBHOOKS}/{found['id']}"),
            found["url"],
            found["client"] or "every client",
            parts.tag(f"{found['status']}{why}{failing}", tone),
            str(found["waiting"]),
            str(found["failing"]),
            listing.at(found["last_success_at"], visit.at),
        ),
        tone="bad" if tone == "bad" else "plain",
    )


def _delivery(visit: Visit, each: Mapping[str, Any]) -> Row:
    tones: Mapping[str, Tone] = {"delivered": "ok", "failed": "bad"}
    tone = tones.get(each["status"], "warn" if each["attempts"] else "plain")
    return Row(
        (
            parts.link(
                each["event"], listing.where(f"{WEBHOOKS}/{each['endpoint']}", event=each["event"]), class_="one"
            ),
            parts.one(each["type"]),
            each["subject"],
            parts.tag(each["status"], tone),
            str(each["attempts"]),
            listing.at(each["next_attempt_at"], visit.at, never="none"),
        )
    )


def _resending(visit: Visit, job: Mapping[str, Any]) -> Markup:
    why = f": {job['reason']}" if job["reason"] else ""
    tone: Tone = "bad" if job["status"] == "failed" else ("ok" if job["is_over"] else "warn")
    return parts.table(
        "What failed, sent again",
        ("job", "stands", "sent again", "of", "asked for", "ended"),
        [
            Row(
                (
                    parts.one(job["id"]),
                    parts.tag(f"{job['status']}{why}", tone),
                    f"{job['done']:,}",
                    f"{job['wanted']:,}",
                    listing.at(job["created_at"], visit.at),
                    listing.at(job["ended_at"], visit.at, never="not yet"),
                )
            )
        ],
        empty="",
        numbers=(2, 3),
    )


def _attempts(visit: Visit, event: str, attempts: Sequence[Mapping[str, Any]]) -> Markup:
    return parts.table(
        f"Attempts to deliver {event}",
        ("number", "at", "answer", "took", "what it said"),
        [
            Row(
                (
                    str(each["number"]),
                    listing.at(each["at"], visit.at),
                    str(each["status"]) if each["status"] is not None else (each["problem"] or "none"),
                    f"{each['latency_ms']} ms",
                    each["answer"] or each["problem"] or "nothing",
                )
            )
            for each in attempts
        ],
        empty="It was not tried yet, or long ago.",
        numbers=(0, 3),
    )


def _action(endpoint: Mapping[str, Any], action: str) -> Markup:
    why_not = ""
    if action == "enable" and endpoint["status"] == "active":
        why_not = "It is active: nothing is held back."
    if action != "enable" and endpoint["status"] == "disabled":
        why_not = "It is disabled already." if action == "disable" else "It is disabled: nothing is sent there."
    return parts.form(
        f"{WEBHOOKS}/{endpoint['id']}/{action}",
        parts.button(f"{ACTIONS[action]} …", why_not=why_not),
        id_=action,
    )
