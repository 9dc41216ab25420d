"""Notices: looking at one's own, and choosing, switching off and on with a passkey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.body import Body
from custody.api.console.answers import form_fields, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, Visit
from custody.api.console.pages import notices as pages
from custody.api.console.stepping import put_step, take_answer
from custody.api.problems import status_of
from custody.db import Unit
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.notices import choosing
from custody.notices.model import CHANNELS, MAIL, WEBHOOK
from custody.trust.operations import InForce
from custody.views.notices import notices_view
from custody.webhooks.places import Places, read_networks
from custody.webhooks.signing import Sealer, Secret

ABOUT: Final = "notices"
ANSWERS: Final = f"{pages.NOTICES}/answers"

router = APIRouter(prefix=pages.NOTICES)


@router.get("")
def show_notices(visit: AsGuest) -> Response:
    """Your channels, and what was sent to you."""
    return to_sign_in() if visit is None else html(_page(visit))


@router.post("")
def ask_for_channel(visit: AsVisitor, body: Body) -> Response:
    """Say where one would be told, and ask the passkey for it; or the form again with what was wrong."""
    found = form_fields(body, "channel", "address")
    kind, address = fields.one_of(found["channel"], CHANNELS, field="channel"), found["address"].strip()
    try:
        choosing.expect_address(kind, address)
        if kind == WEBHOOK:
            settings = visit.call.runtime.settings
            Places(read_networks(settings.webhook_inside)).read(address, field="address")
    except InvalidInput as error:
        return html(_page(visit, (error.field or "", error.message), address), status=status_of(error))
    secret = Secret.fresh() if kind == WEBHOOK else None
    change = {"action": "choose", "channel": kind, "address": address}
    if secret is not None:
        owner = choosing.owner_of(visit.operator)
        change["secret"] = _sealer(visit).seal(secret, endpoint=owner, url=address, client=None).hex()
    asked = _asked(visit, change)
    return html(pages.choose(visit, kind, address, secret.text if secret else "", asked))


@router.post("/answers")
def take_step(visit: AsVisitor, body: Body) -> Response:
    """Do what a passkey agreed to: 201 and where to go on."""

    def carry_out(unit: Unit, trust: InForce, change: Mapping[str, Any]) -> str:
        _do(visit, unit, trust, change)
        return pages.NOTICES

    return take_answer(visit, body, about=ABOUT, carry_out=carry_out)


@router.post("/{channel}/code")
def ask_to_confirm(visit: AsVisitor, channel: str, body: Body) -> Response:
    """Take the code that was sent to an address, and ask the passkey for it; or the page again with what was wrong."""
    kind = fields.one_of(channel, CHANNELS, field="channel")
    code = form_fields(body, "code")["code"]
    try:
        address = visit.call.unit(lambda unit: _with_code(visit, unit, kind, code))
    except InvalidInput as error:
        return html(_page(visit, (error.field or "", error.message)), status=status_of(error))
    asked = _asked(visit, {"action": "confirm", "channel": kind, "code": code})
    return html(pages.confirm(visit, kind, address, asked))


@router.post("/{channel}/{turn}")
def ask_for_switch(visit: AsVisitor, channel: str, turn: str) -> Response:
    """Say what switching does, and ask the passkey for it."""
    kind = fields.one_of(channel, CHANNELS, field="channel")
    to = fields.one_of(turn, ("on", "off"), field="turn")
    asked = _asked(visit, {"action": to, "channel": kind})
    return html(pages.switch(visit, kind, to == "on", asked))


def _page(visit: Visit, problem: tuple[str, str] = ("", ""), given: str = "") -> str:
    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        return notices_view(unit.session, trust.root, operator=visit.operator)

    shown = visit.call.trusting(work) | {"has_mail": visit.call.runtime.settings.mail is not None}
    return pages.notices(visit, shown, problem=problem, given=given)


def _asked(visit: Visit, change: Mapping[str, str]) -> Question | None:
    return visit.call.trusting(
        lambda unit, trust: put_step(unit, trust, visit, about=ABOUT, change=change, send=ANSWERS)
    )


def _with_code(visit: Visit, unit: Unit, kind: str, code: str) -> str:
    found = choosing.expect_code(unit.session, operator=visit.operator, kind=kind, code=code, sealer=_sealer(visit))
    return found.address


def _do(visit: Visit, unit: Unit, trust: InForce, change: Mapping[str, str]) -> None:
    who, kind = visit.operator, change["channel"]
    if change["action"] == "confirm":
        choosing.confirm(
            unit.session,
            operator=who,
            kind=kind,
            code=change["code"],
            sealer=_sealer(visit),
            actor=who,
            now=unit.now,
        )
        return
    if change["action"] != "choose":
        choosing.switch(unit.session, operator=who, kind=kind, is_on=change["action"] == "on", actor=who, now=unit.now)
        return
    sealer, secret = _sealer(visit), None
    if kind != MAIL:
        sealed = bytes.fromhex(change["secret"])
        secret = sealer.open(sealed, endpoint=choosing.owner_of(who), url=change["address"], client=None)
    choosing.choose(
        unit.session,
        operator=who,
        kind=kind,
        address=change["address"],
        root=trust.root,
        sealer=sealer,
        actor=who,
        now=unit.now,
        secret=secret,
    )


def _sealer(visit: Visit) -> Sealer:
    return Sealer(visit.call.runtime.seal_key)
