"""Webhook endpoints: looking at them, and resending, disabling and enabling with a passkey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.body import Body
from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest, AsVisitor, Visit
from custody.api.console.pages import webhooks as pages
from custody.api.console.reading import ROWS
from custody.api.console.stepping import put_step, take_answer
from custody.db import Unit
from custody.evidence import fields
from custody.jobs import operations as jobs
from custody.jobs.model import ResendAsked
from custody.kernel.ids import new_id
from custody.trust.operations import InForce
from custody.views import webhooks as views
from custody.webhooks import operations as webhooks
from custody.webhooks import queries

ABOUT: Final = "webhooks"

router = APIRouter(prefix="/console/webhooks")


@router.get("")
def show_webhooks(visit: AsGuest) -> Response:
    """Every endpoint."""
    if visit is None:
        return to_sign_in()
    return html(pages.webhooks(visit, visit.call.unit(lambda unit: views.endpoints(unit.session))))


@router.get("/{endpoint}")
def show_webhook(visit: AsGuest, endpoint: str, event: str = "", after: str | None = None) -> Response:
    """One endpoint and a page of its deliveries; with ``event``, every attempt to deliver that."""
    name = fields.name(endpoint, field="endpoint")
    wanted = fields.name(event, field="event") if event else ""
    if visit is None:
        return to_sign_in()

    def work(unit: Unit) -> dict[str, Any]:
        return views.whole_endpoint(unit.session, name=name, event=wanted, after=after, limit=ROWS)

    return html(pages.webhook(visit, visit.call.unit(work), after=after))


@router.post("/answers")
def take_step(visit: AsVisitor, body: Body) -> Response:
    """Do what a passkey agreed to: 201 and where to go on."""

    def carry_out(unit: Unit, _trust: InForce, change: Mapping[str, Any]) -> str:
        _do(unit, change["action"], change["endpoint"], visit)
        return f"{pages.WEBHOOKS}/{change['endpoint']}"

    return take_answer(visit, body, about=ABOUT, carry_out=carry_out)


@router.post("/{endpoint}/{action}")
def ask_for_step(visit: AsVisitor, endpoint: str, action: str) -> Response:
    """Say what would be done, and ask the passkey for it."""
    name = fields.name(endpoint, field="endpoint")
    what = fields.one_of(action, tuple(pages.ACTIONS), field="action")

    def work(unit: Unit, trust: InForce) -> str:
        found = queries.get(unit.session, endpoint=name)
        change = {"action": what, "endpoint": found.id, "url": found.url}
        send = f"{pages.WEBHOOKS}/answers"
        return pages.step(visit, found, what, put_step(unit, trust, visit, about=ABOUT, change=change, send=send))

    return html(visit.call.trusting(work))


def _do(unit: Unit, action: str, endpoint: str, visit: Visit) -> None:
    operator = visit.operator
    if action == "resend":
        jobs.ask_to_resend(
            unit.session,
            asked=ResendAsked(endpoint, None),
            requester=operator,
            idempotency_key=new_id("job", unit.now),
            correlation_id=visit.call.request_id,
            now=unit.now,
        )
    elif action == "test":
        webhooks.send_test(unit.session, endpoint=endpoint, actor=operator, now=unit.now)
    elif action == "disable":
        why = f"disabled by {operator}"
        webhooks.disable(unit.session, endpoint=endpoint, reason=why, actor=operator, now=unit.now)
    else:
        webhooks.enable(unit.session, endpoint=endpoint, actor=operator, now=unit.now)
