"""What an operator asks for at the console: a form's fields become one request, with whatever lies beside it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from custody.api.console.answers import form_fields
from custody.bootstrap import Runtime
from custody.evidence import fields
from custody.evidence.drafting import draft
from custody.evidence.requests import (
    BreakResolutionRequest,
    DestinationListingRequest,
    FreezeRequest,
    PolicyChangeRequest,
    Request,
    UnfreezeRequest,
)
from custody.kernel.errors import InvalidInput
from custody.trust.operations import InForce

GOOD_FOR: Final = timedelta(hours=24)
RULES_GOOD_FOR: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, when, and under which rules."""

    operator: str
    trust: InForce
    runtime: Runtime
    now: datetime

    def closing(self, purpose: str, lasts: timedelta = GOOD_FOR) -> dict[str, Any]:
        """How a request ends. Raises ``InvalidInput``."""
        return {
            "requester": self.operator,
            "purpose": fields.text(purpose or None, field="purpose"),
            "not_after": self.now + lasts,
            "idempotency_key": f"console-{secrets.token_hex(12)}",
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that nobody signed yet."""

    request: Request
    attachments: Mapping[str, Any] = field(default_factory=dict)


def read_form(body: bytes, kind: str) -> Mapping[str, str]:
    """The fields of the form for ``kind``, each once; what was left empty is empty. Raises ``InvalidInput``."""
    names, _ = WISHES[fields.one_of(kind, tuple(WISHES), field="kind")]
    return form_fields(body, *names)


def make(kind: str, given: Mapping[str, str], asker: Asker) -> Wish:
    """The request that the form asks for. Raises ``InvalidInput`` naming the field, and for rules as ``draft`` does."""
    _, build = WISHES[kind]
    return build(given, asker)


def _freeze(given: Mapping[str, str], asker: Asker) -> Wish:
    return Wish(FreezeRequest.parse(_stopping(FreezeRequest, given, asker)))


def _unfreeze(given: Mapping[str, str], asker: Asker) -> Wish:
    return Wish(UnfreezeRequest.parse(_stopping(UnfreezeRequest, given, asker)))


def _stopping(kind: type[FreezeRequest | UnfreezeRequest], given: Mapping[str, str], asker: Asker) -> Mapping[str, Any]:
    subject = given["subject"] or ("everything" if given["scope"] == "everything" else "")
    # Read again as it will be read by whoever checks it: what is wrong is named before anybody signs.
    return kind(scope=given["scope"], subject=subject, **asker.closing(given["purpose"])).to_json()


def _resolution(given: Mapping[str, str], asker: Asker) -> Wish:
    made = BreakResolutionRequest(
        subject=given["subject"], resolution=given["resolution"], **asker.closing(given["purpose"])
    )
    return Wish(BreakResolutionRequest.parse(made.to_json()))


def _listing(given: Mapping[str, str], asker: Asker) -> Wish:
    served = asker.runtime.chains.get(given["chain"])
    if served is None:
        accepted = ", ".join(sorted(asker.runtime.chains))
        raise InvalidInput(f"not served here; accepted are {accepted}", field="chain")
    place = served.addressing.read_destination(given["destination"].replace(" ", ""), field="destination")
    made = DestinationListingRequest(
        client=given["client"],
        chain=given["chain"],
        destination=place.address,
        label=given["label"],
        action=given["action"],
        **asker.closing(given["purpose"]),
    )
    return Wish(DestinationListingRequest.parse(made.to_json()))


def _policy(given: Mapping[str, str], asker: Asker) -> Wish:
    trust = asker.trust
    if given["document"] == trust.policy_text:
        raise InvalidInput("is the document in force, unchanged", field="document")
    request, proposal = draft(
        trust.root,
        kind=PolicyChangeRequest.kind,
        policy_before=trust.policy_text,
        policy_after=given["document"],
        parts={},
        closing={"subject": "policy", **asker.closing(given["purpose"], RULES_GOOD_FOR)},
        now=asker.now,
    )
    assert isinstance(request, PolicyChangeRequest)
    return Wish(request, proposal.to_json())


Build = Callable[[Mapping[str, str], Asker], Wish]
_STOP: Final = ("scope", "subject", "purpose")

WISHES: Final[Mapping[str, tuple[tuple[str, ...], Build]]] = {
    FreezeRequest.kind: (_STOP, _freeze),
    UnfreezeRequest.kind: (_STOP, _unfreeze),
    BreakResolutionRequest.kind: (("subject", "resolution", "purpose"), _resolution),
    DestinationListingRequest.kind: (("client", "chain", "destination", "label", "action", "purpose"), _listing),
    PolicyChangeRequest.kind: (("document", "purpose"), _policy),
}
"""Kind to the fields of its form and what makes a request of them."""
