"""Vaults, the books, reconciliation and its breaks."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import books as pages
from custody.api.console.pages import breaks as break_pages
from custody.api.console.pages import reconciliation as reconciliation_pages
from custody.api.console.pages import requests as asking
from custody.api.console.pages import vaults as vault_pages
from custody.api.console.reading import ROWS, network_names, snapshot
from custody.evidence import fields
from custody.kernel.errors import InvalidInput, NotFound
from custody.kernel.ids import expect_id
from custody.trust.operations import in_force
from custody.views import books, breaks, reconciling, vaults

router = APIRouter(prefix="/console")

RUNS: Final = 10
"""Beside a chart, its table and the breaks."""


@router.get("/vaults")
def show_vaults(visit: AsGuest, after: str | None = None) -> Response:
    """Keysets, and a page of vaults."""
    if visit is None:
        return to_sign_in()
    shown = snapshot(
        visit, lambda session: vaults.vault_list(session, root=in_force(session).root, after=after, limit=ROWS)
    )
    return html(vault_pages.vault_list(visit, shown, network_names(visit), after=after))


@router.get("/vaults/{vault:path}")
def show_vault(visit: AsGuest, vault: str) -> Response:
    """One vault; its id has a slash in it."""
    name = fields.name(vault, field="vault")
    if visit is None:
        return to_sign_in()
    shown = snapshot(visit, lambda session: vaults.whole_vault(session, vault=name))
    return html(vault_pages.one_vault(visit, shown, network_names(visit)))


@router.get("/books")
def show_books(visit: AsGuest, account: str = "", subject: str = "", after: str | None = None) -> Response:
    """Entries: all of them, an account's, or those about one thing."""
    if visit is None:
        return to_sign_in()
    account, subject = account.strip(), subject.strip()
    if account and subject:
        raise InvalidInput("accepted is an account or a subject, not both", field="subject")
    chosen = books.account(account) if account else None
    shown = snapshot(
        visit, lambda session: books.entries(session, account=chosen, subject=subject, after=after, limit=ROWS)
    )
    return html(pages.entries(visit, shown, account=account, subject=subject, after=after))


@router.get("/books/{entry}")
def show_entry(visit: AsGuest, entry: str) -> Response:
    """One entry."""
    if visit is None:
        return to_sign_in()
    if not (entry.isascii() and entry.isdecimal() and len(entry) < 19):
        raise NotFound("no such entry", field="entry")
    return html(pages.one_entry(visit, snapshot(visit, lambda session: books.entry(session, entry=int(entry)))))


@router.get("/reconciliation")
def show_reconciliation(visit: AsGuest, after: str | None = None) -> Response:
    """Where each chain stands, breaks, coverage and runs."""
    if visit is None:
        return to_sign_in()
    names = network_names(visit)
    shown = snapshot(
        visit,
        lambda session: reconciling.reconciliation(session, chains=tuple(names), now=visit.at, after=after, limit=RUNS),
    )
    return html(reconciliation_pages.overview(visit, shown, names, after=after))


@router.get("/breaks")
def show_breaks(visit: AsGuest, state: str = "open", after: str | None = None) -> Response:
    """A page of breaks: those that are open, or those that were settled."""
    if visit is None:
        return to_sign_in()
    shown = snapshot(visit, lambda session: breaks.break_list(session, state=state, after=after, limit=ROWS))
    return html(break_pages.break_list(visit, shown, state=state, after=after))


@router.get("/breaks/{break_id}")
def show_break(visit: AsGuest, break_id: str) -> Response:
    """One break."""
    name = expect_id(break_id, "brk", field="break")
    if visit is None:
        return to_sign_in()
    shown = snapshot(visit, lambda session: breaks.whole_break(session, break_id=name))
    form = () if shown["resolution"] is not None else (asking.resolving(name),)
    return html(break_pages.one_break(visit, shown, *form))
