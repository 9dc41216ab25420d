"""Deposits: what arrived, whose it is, and how far it has got."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.call import AsReader, Call
from custody.api.paging import After, Limit, page
from custody.clients import queries as clients
from custody.db import Unit
from custody.deposits import queries
from custody.deposits.model import Deposit
from custody.deposits.states import DepositState
from custody.evidence import fields
from custody.kernel.ids import expect_id
from custody.trust.assets import KnownAssets, known_assets
from custody.views import cursors
from custody.views.objects import deposit_view

router = APIRouter(prefix="/v1")


@router.get("/deposits")
def every(
    call: AsReader,
    request: Request,
    client: str | None = None,
    status: str | None = None,
    after: After = None,
    limit: Limit = None,
) -> Response:
    """Deposits, oldest first, a page at a time; of one client, or with one status, where asked."""
    whose = "" if client is None else fields.name(client, field="client")
    states = () if status is None else (DepositState(fields.one_of(status, tuple(DepositState), field="status")),)
    return _page(call, request, whose, states, after, limit)


@router.get("/clients/{client}/deposits")
def of_client(call: AsReader, request: Request, client: str, after: After = None, limit: Limit = None) -> Response:
    """Deposits to the client's addresses, oldest first, a page at a time."""
    name = fields.name(client, field="client")
    call.unit(lambda unit: clients.get(unit.session, client=name))
    return _page(call, request, name, (), after, limit)


@router.get("/deposits/{deposit}")
def one(call: AsReader, deposit: str) -> Response:
    """One deposit."""
    name = expect_id(deposit, "dep", field="deposit")

    def work(unit: Unit) -> tuple[Deposit, KnownAssets]:
        return queries.by_id(unit.session, deposit=name), known_assets(unit.session)

    return JSONResponse(deposit_view(*call.unit(work)))


def _page(
    call: Call,
    request: Request,
    client: str,
    states: tuple[DepositState, ...],
    after: str | None,
    limit: int | None,
) -> Response:
    most, begin = cursors.limit(limit), cursors.read(after, "deposits")
    behind = begin[0] if begin else ""

    def work(unit: Unit) -> tuple[list[Deposit], KnownAssets]:
        found = queries.page(unit.session, client=client, states=states, after=behind, limit=most + 1)
        return found, known_assets(unit.session)

    rows, assets = call.unit(work)
    shown = [deposit_view(row, assets) for row in rows[:most]]
    return JSONResponse(page(request, "deposits", rows, limit=most, key=lambda row: (row.id,), shown=shown))
