"""The policy, what it would answer, and what another document would change."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from custody.api.body import AskingBody
from custody.api.console.answers import form_fields, html, to_sign_in
from custody.api.console.comparing import compared
from custody.api.console.door import AsGuest, AsVisitor, Visit
from custody.api.console.pages import policy as pages
from custody.api.console.pages import requests as asking
from custody.api.console.pages.policy import Explained, Tried
from custody.api.problems import status_of
from custody.db import Unit
from custody.evidence import fields
from custody.kernel.errors import Broken, CustodyError, InvalidInput
from custody.reports.simulation import simulated
from custody.trust.operations import InForce
from custody.views import policy as views
from policies.decision import explain
from policies.document import load_document

router = APIRouter(prefix="/console/policy")

_ASKED: Final = ("kind", "client", "asset", "amount", "destination")
_UNSAID: Final = ("now", "kind", "destination_text", "amount_units", "asset", "decimals")
"""Facts of a request that shows a difference which say nothing to a person."""
DAYS: Final = 7
MOST_DAYS: Final = 31
MOST_REPLAYED: Final = 20_000
"""Requests: more are replayed with custody policy simulate, where nobody waits for a page."""


class TooMuchToReplay(InvalidInput):
    """More was asked for in the period than a page waits for."""

    code = "too-much-to-replay"


@router.get("")
def show_policy(visit: AsGuest, request: HttpRequest) -> Response:
    """The document in force, and what it answers where a question was asked."""
    if visit is None:
        return to_sign_in()
    asked = {name: request.query_params.get(name, "").strip()[:128] for name in _ASKED}

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], Explained]:
        return views.policy_view(unit.session, trust, now=unit.now), _explained(unit, trust, asked, visit.operator)

    shown, explained = visit.call.trusting(work)
    return html(pages.policy(visit, shown, explained), status=422 if explained.problem else 200)


@router.get("/document")
def download_document(visit: AsGuest) -> Response:
    """The document in force, byte for byte as it was agreed to."""
    if visit is None:
        return to_sign_in()
    text = visit.call.trusting(lambda _unit, trust: trust.policy_text)
    headers = {"Content-Disposition": 'attachment; filename="policy.yaml"'}
    return Response(text.encode(), media_type="application/yaml", headers=headers)


@router.get("/draft")
def show_draft(visit: AsGuest) -> Response:
    """The document in force, to be changed and tried."""
    if visit is None:
        return to_sign_in()
    text = visit.call.trusting(lambda _unit, trust: trust.policy_text)
    return html(pages.draft(visit, Tried(text), days=DAYS))


@router.post("/draft")
def try_draft(visit: AsVisitor, body: AskingBody) -> Response:
    """Compare a document with the one in force, or replay what was asked for; nothing is kept of it."""
    given = form_fields(body, "document", "days", "do")
    what = fields.one_of(given["do"], ("compare", "replay", "propose"), field="do")
    text, days = given["document"], DAYS
    try:
        days = _days(given["days"])
        load_document(text)
        if what == "propose":
            chosen = asking.Given({"document": text, "purpose": ""})
            return html(asking.form_page(visit, "policy_change", chosen, chains={}))
        tried = _compared(visit, text) if what == "compare" else _replayed(visit, text, days)
    except CustodyError as error:
        if isinstance(error, Broken):
            raise
        wrong = Tried(text, "Try another policy", problem=error.message)
        return html(pages.draft(visit, wrong, days=days), status=status_of(error))
    return html(pages.draft(visit, tried, days=days))


@router.get("/proposals/{digest}")
def download(visit: AsGuest, digest: str) -> Response:
    """The file that is agreed to with ``custody approve FILE``."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    if visit is None:
        return to_sign_in()
    found = visit.call.unit(lambda unit: views.proposal_file(unit.session, digest=name))
    headers = {"Content-Disposition": 'attachment; filename="proposal.json"'}
    return JSONResponse(found, headers=headers)


def _explained(unit: Unit, trust: InForce, asked: dict[str, str], operator: str) -> Explained:
    if not asked["kind"]:
        return Explained()
    try:
        decision = views.explained(unit.session, trust, asked, requester=operator, now=unit.now)
    except CustodyError as error:
        return Explained(asked, problem=error.message, field=error.field or "")
    return Explained(asked, lines=explain(decision))


def _compared(visit: Visit, text: str) -> Tried:
    before = visit.call.trusting(lambda _unit, trust: trust.policy_text)
    found = compared(before, text)
    lines = [line for each in found for line in _difference(each)]
    title = "It lets the same out" if not found else _verdict([each["relation"] for each in found])
    return Tried(text, title, lines or ["Of every kind of request the two documents let the same out."])


def _verdict(relations: list[str]) -> str:
    if any(each in ("more permissive", "incomparable") for each in relations):
        return "It lets more out than the policy in force"
    return "It lets less out than the policy in force"


def _difference(found: dict[str, Any]) -> list[str]:
    said = [f"{found['kind'].replace('_', ' ').capitalize()}: {found['relation']}."]
    for name, words in (
        ("only_second_lets_out", "Would leave from then on"),
        ("only_first_lets_out", "Would leave no more"),
    ):
        if name in found:
            people = ", ".join(found[name].get("approvers", [])) or "nobody"
            said.append(f"{words}: {_shown(found['kind'], found[name].get('facts', {}))}; agreed to by {people}.")
    return said


def _shown(kind: str, known: dict[str, Any]) -> str:
    """The request that shows a difference: how much of what first, then everything else that is known of it."""
    of = ""
    if known.get("amount_units") is not None and known.get("asset"):
        units, places = int(known["amount_units"]), int(known.get("decimals") or 0)
        of = f" of {Decimal(units).scaleb(-places):f} {known['asset']}"
    rest = [f"{key.replace('_', ' ')} {value}" for key, value in known.items() if key not in _UNSAID]
    return f"{kind.replace('_', ' ')}{of}" + (f" ({', '.join(rest)})" if rest else "")


def _replayed(visit: Visit, text: str, days: int) -> Tried:
    document = load_document(text)

    def bounded(requests: Any, number: int) -> Any:
        if number > MOST_REPLAYED:
            raise TooMuchToReplay(
                f"{number} requests in {days} days; accepted here are {MOST_REPLAYED}, more with custody policy",
                field="days",
            )
        return requests

    def work(unit: Unit) -> dict[str, Any]:
        since = unit.now - timedelta(days=days)
        return simulated(unit.session, document, since=since, until=unit.now, shown=bounded).to_json()

    told = visit.call.unit(work)
    lines = [f"{each['requests']} × {each['kind']}: {each['change']}" for each in told["by_kind"]]
    rows = [(each["who"], str(each["before"]), str(each["after"])) for each in told["work"]]
    title = f"{told['requests']} requests of {days} days, replayed"
    return Tried(text, title, lines or ["Nothing was asked for in that time."], rows)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 2) or not 1 <= int(text) <= MOST_DAYS:
        raise InvalidInput(f"not a whole number from 1 to {MOST_DAYS}", field="days")
    return int(text)
