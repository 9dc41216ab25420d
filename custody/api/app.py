"""The application: routes, the one place where errors become answers, and nothing that decides anything."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio.to_thread
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from custody.api import holding
from custody.api.aftermath import NOBODY, facts_of, leave_behind
from custody.api.auth import Callers
from custody.api.bell import Bell
from custody.api.console.bells import Bells
from custody.api.console.guarding import Guarded
from custody.api.console.packing import Packed
from custody.api.console.routes import ROUTERS as CONSOLE
from custody.api.console.trouble import as_page
from custody.api.contract.document import Served, served
from custody.api.credentials import read_network
from custody.api.entering import spend
from custody.api.knocking import Knocking
from custody.api.limits import Limits
from custody.api.problems import problem, problem_of
from custody.api.routes import (
    addresses,
    bundles,
    clients,
    deposits,
    events,
    governing,
    health,
    holdings,
    intents,
    jobs,
    meanings,
    proofs,
    queue,
    quoting,
    respends,
    returns,
    rotation,
    rules,
    sandbox,
    statements,
    status,
    webhooks,
    withdrawals,
)
from custody.api.signatures.memory import SeenReads
from custody.api.tracing import RequestIds, Told
from custody.bootstrap import Runtime, readiness
from custody.bootstrap import nodes as nodes_of
from custody.events.operations import CHANNEL
from custody.kernel.errors import CustodyError
from custody.telemetry.nodes import Nodes

PROXIES: Final = "CUSTODY_API_PROXIES"
POOL_SIZE: Final = 10
THREADS: Final = POOL_SIZE + 5
"""As many calls at once as there are database connections: a further one waits for a thread, not for a timeout."""

log = structlog.get_logger("custody.api")

ROUTES: Final = (
    *(health, status, clients, withdrawals, respends, returns, intents, bundles, statements, rules, governing),
    *(rotation, proofs, addresses, deposits, holdings, jobs, queue, quoting, meanings, events, webhooks),
)
"""One module per noun of the API; the console's pages are beside them."""


def application(runtime: Runtime, callers: Callers, *, nodes: Nodes | None = None, told: Told | None = None) -> ASGIApp:
    """The whole API for ``runtime``, answering ``callers``. Nothing is connected to before the first call.

    ``nodes`` are asked whether the process is ready; ``told`` hears of each answer.
    """
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        # Its own spans hold paths, queries and what exceptions say; ours (custody.telemetry.tracing) do not.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.runtime, app.state.callers = runtime, callers
    app.state.bell = Bell(runtime.settings.database_url, CHANNEL)
    app.state.ready = readiness(runtime, nodes or nodes_of(runtime))
    app.state.bells = Bells(app.state.bell)
    app.state.streams, app.state.waits = holding.Held(holding.STREAMS_EACH), holding.Held(holding.WAITS_EACH)
    app.state.seen_reads, app.state.limits, app.state.knocking = SeenReads(), Limits(), Knocking()
    app.state.names = frozenset(runtime.settings.api_names)
    app.state.proxies = tuple(read_network(each, field=PROXIES) for each in runtime.settings.api_proxies)
    sandboxed = [sandbox.router] if runtime.settings.api_sandbox else []
    for router in (*(routes.router for routes in ROUTES), *sandboxed, *CONSOLE):
        app.include_router(router)
    app.add_exception_handler(CustodyError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(Exception, _unknown)
    app.add_middleware(Packed)
    app.add_middleware(Guarded)
    return RequestIds(app, told)


def routes_served() -> list[Served]:
    """Every route of the API, without a runtime behind it: what the contract is made of."""
    app = FastAPI(openapi_url=None)
    for routes in ROUTES:
        app.include_router(routes.router)
    return served(app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    # Whatever was imported stays: looking through all of it again and again would hold up whoever waits for a page.
    gc.collect()
    gc.freeze()
    yield
    app.state.bells.close()
    app.state.bell.close()
    app.state.runtime.database.dispose()


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CustodyError)
    request_id: str = request.state.request_id
    log.info("refused", code=error.code, field=error.field, **_plain(error))
    try:
        leave_behind(
            request.app.state.runtime,
            request.app.state.knocking,
            error,
            where=_where(request),
            actor=getattr(request.state, "caller", NOBODY),
            correlation_id=request_id,
        )
    except CustodyError as failed:
        log.exception("nothing left behind", code=failed.code, after=error.code)
    _spend(request)
    return as_page(request, problem_of(error, request_id=request_id))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    answer = problem(
        status=error.status_code,
        code=code,
        detail="this API has no such route" if error.status_code == 404 else "not possible on this route",
        request_id=request.state.request_id,
        headers=dict(error.headers or {}),
    )
    return as_page(request, answer)


def _parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    where = error.errors()[0]["loc"]
    field = ".".join(str(part) for part in where[1:]) or str(where[0])
    answer = problem(
        status=422,
        code="invalid-input",
        detail="missing or not of its kind",
        field=field,
        request_id=request.state.request_id,
    )
    return as_page(request, answer)


def _unknown(request: Request, _error: Exception) -> Response:
    """Starlette raises it again after this answer, and the server logs it with its trace."""
    _spend(request)
    answer = problem(
        status=500,
        code="internal",
        detail="something went wrong here; the request id finds it in the log",
        request_id=request.state.request_id,
    )
    return as_page(request, answer)


def _spend(request: Request) -> None:
    try:
        spend(request)
    except CustodyError as failed:
        log.exception("a call that failed is not remembered", code=failed.code)


def _where(request: Request) -> str:
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', 'unknown')}"


def _plain(error: CustodyError) -> dict[str, str | int]:
    return {f"fact_{name}": value for name, value in facts_of(error).items() if isinstance(value, (str, int))}
