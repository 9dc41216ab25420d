"""Deposits and withdrawals: the lists, and each one by its id as people outside name it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, see, to_sign_in
from custody.api.console.door import AsGuest, Visit
from custody.api.console.pages import movements as pages
from custody.api.console.reading import ROWS, network_names, snapshot
from custody.evidence import fields
from custody.kernel.ids import expect_id
from custody.views import movements
from custody.withdrawals import queries as withdrawals

router = APIRouter(prefix="/console")


@router.get("/deposits")
def show_deposits(visit: AsGuest, client: str = "", state: str = "", after: str | None = None) -> Response:
    """A page of deposits, of one client or in one state where asked."""
    return to_sign_in() if visit is None else _listed(visit, "deposits", client, state, after)


@router.get("/withdrawals")
def show_withdrawals(
    visit: AsGuest, client: str = "", state: str = "", reference: str = "", after: str | None = None
) -> Response:
    """A page of withdrawals, finished ones too; of those that some client calls ``reference`` where asked."""
    called = _chosen(reference, "reference")
    return to_sign_in() if visit is None else _listed(visit, "withdrawals", client, state, after, called)


@router.get("/deposits/{deposit}")
def show_deposit(visit: AsGuest, deposit: str) -> Response:
    """One deposit."""
    name = expect_id(deposit, "dep", field="deposit")
    if visit is None:
        return to_sign_in()
    shown = snapshot(visit, lambda session: movements.whole_deposit(session, deposit=name))
    return html(pages.one_deposit(visit, shown, network_names(visit)))


@router.get("/withdrawals/{withdrawal}")
def show_withdrawal(visit: AsGuest, withdrawal: str) -> Response:
    """On to the intent of this withdrawal: its page is its intent's. Raises ``UnknownWithdrawal``."""
    if visit is None:
        return to_sign_in()
    found = visit.call.unit(lambda unit: withdrawals.get(unit.session, withdrawal=withdrawal))
    return see(f"/console/intents/{found.digest}")


def _listed(visit: Visit, what: str, client: str, state: str, after: str | None, reference: str = "") -> Response:
    chosen = {"client": _chosen(client, "client"), "state": state, "reference": reference}
    shown = snapshot(visit, lambda session: movements.listed(session, what, **chosen, after=after, limit=ROWS))
    return html(pages.movements(visit, what, shown, **chosen, after=after))


def _chosen(said: str, field: str) -> str:
    """What a filter was given, without blanks around it; empty where it asks for nothing. Raises ``InvalidInput``."""
    return fields.text(said.strip(), field=field, limit=128) if said.strip() else ""
