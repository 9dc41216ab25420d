"""The renderer of intents that pay nobody outside: sweeps, entries, listings, freezes, changes of the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from custody.evidence.codes import amount_in_words, digest_code, fee_in_words
from custody.evidence.intents import Intent
from custody.evidence.requests import (
    BreakResolutionRequest,
    DestinationListingRequest,
    FreezeRequest,
    GroupChangeRequest,
    KeysetChangeRequest,
    ManualEntryRequest,
    OperatorChangeRequest,
    PledgeReleaseRequest,
    PledgeRequest,
    PolicyChangeRequest,
    RootChangeRequest,
    RuleChange,
    SweepRequest,
    UnfreezeRequest,
)
from custody.kernel.clock import rfc3339
from custody.kernel.money import Asset

Other = (
    SweepRequest
    | ManualEntryRequest
    | PledgeRequest
    | PledgeReleaseRequest
    | DestinationListingRequest
    | FreezeRequest
    | UnfreezeRequest
    | BreakResolutionRequest
    | RuleChange
)


def say_other(intent: Intent, request: Any, asset: Asset | None, fee_asset: Asset | None) -> list[str]:
    """What will happen, one sentence a line, for the kinds ``words.say`` has no sentence of its own for."""
    what = _SAYINGS[request.kind](intent, request, _Units(asset, fee_asset))
    return [
        *what,
        f"purpose: {request.purpose}",
        f"asked for by {request.requester}, good until {rfc3339(request.not_after)}",
        f"code {digest_code(intent.digest)}",
    ]


class _Units:
    """Amounts in words, as far as the asset is known."""

    def __init__(self, asset: Asset | None, fee_asset: Asset | None) -> None:
        self._asset, self._fee_asset = asset, fee_asset

    def amount(self, request: Any) -> str:
        """The request's amount."""
        if self._asset is None:
            return f"{request.amount} base units of {request.asset}"
        return amount_in_words(request.amount, self._asset)

    def fee(self, request: Any) -> str:
        """The request's fee ceiling."""
        return fee_in_words(request.max_fee, self._fee_asset or self._asset)


def _sweep(intent: Intent, request: SweepRequest, units: _Units) -> list[str]:
    return [
        f"Move {units.amount(request)} of client {request.client} from vault {intent.vault} to its vault {request.to}",
        f"to the address {request.destination} on {intent.chain}; nobody is paid",
        f"network fee at most {units.fee(request)}",
    ]


def _manual_entry(_intent: Intent, request: ManualEntryRequest, units: _Units) -> list[str]:
    whose = "of no client" if request.client == "house" else f"of client {request.client}"
    return [
        f"Post {units.amount(request)} by hand, {whose}",
        f"from the account {request.debit} to the account {request.credit}; nothing moves on a chain",
    ]


def _pledge(_intent: Intent, request: PledgeRequest, units: _Units) -> list[str]:
    return [
        f"Lock {units.amount(request)} of client {request.client} as collateral",
        f"for position {request.position} at {request.secured_party}",
    ]


def _pledge_release(_intent: Intent, request: PledgeReleaseRequest, units: _Units) -> list[str]:
    return [
        f"Release {units.amount(request)} of client {request.client} from pledge {request.pledge}",
        f"held for {request.secured_party}",
    ]


def _listing(_intent: Intent, request: DestinationListingRequest, _units: _Units) -> list[str]:
    verb = "Put {} on" if request.action == "list" else "Take {} off"
    return [
        f"{verb.format(request.destination)} the list of destinations of client {request.client}",
        f"on {request.chain}, labelled {request.label}",
    ]


def _freeze(_intent: Intent, request: FreezeRequest, _units: _Units) -> list[str]:
    return [f"Stop {_stopped(request.scope, request.subject)}: nothing of it is paid until it is let go again"]


def _unfreeze(_intent: Intent, request: UnfreezeRequest, _units: _Units) -> list[str]:
    return [f"Let {_stopped(request.scope, request.subject)} go again"]


def _stopped(scope: str, subject: str) -> str:
    return "everything" if scope == "everything" else f"{scope} {subject}"


def _break_resolution(_intent: Intent, request: BreakResolutionRequest, _units: _Units) -> list[str]:
    return [f"Close break {request.subject} as {request.resolution}: its vault may pay again"]


def _rule_change(_intent: Intent, request: RuleChange, _units: _Units) -> list[str]:
    return [
        f"{_CHANGES[request.kind]} {request.subject}",
        f"by version {request.version} of the trust root, code {digest_code(request.root)}",
    ]


_CHANGES: Final[Mapping[str, str]] = {
    OperatorChangeRequest.kind: "Change operator",
    GroupChangeRequest.kind: "Change the members of group",
    PolicyChangeRequest.kind: "Put another policy in force:",
    KeysetChangeRequest.kind: "Add keyset",
    RootChangeRequest.kind: "Change what the trust root holds:",
}
_SAYINGS: Final[Mapping[str, Callable[[Intent, Any, _Units], list[str]]]] = {
    SweepRequest.kind: _sweep,
    ManualEntryRequest.kind: _manual_entry,
    PledgeRequest.kind: _pledge,
    PledgeReleaseRequest.kind: _pledge_release,
    DestinationListingRequest.kind: _listing,
    FreezeRequest.kind: _freeze,
    UnfreezeRequest.kind: _unfreeze,
    BreakResolutionRequest.kind: _break_resolution,
    **dict.fromkeys(_CHANGES, _rule_change),
}
