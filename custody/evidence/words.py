"""The one renderer of intents in plain words, and of digests as a short code people can compare by eye."""

from __future__ import annotations

from custody.evidence.codes import amount_in_words, digest_code, fee_in_words
from custody.evidence.further_words import say_other
from custody.evidence.intents import Intent
from custody.evidence.requests import ClientOpeningRequest, RespendRequest, StrayReturnRequest, WithdrawalRequest
from custody.kernel.clock import rfc3339
from custody.kernel.lettering import told
from custody.kernel.money import Asset


def say(intent: Intent, *, asset: Asset | None = None, fee_asset: Asset | None = None) -> list[str]:
    """What will happen if this intent is carried out, one sentence a line. A fee is of the chain's own asset.

    Whatever somebody wrote in another alphabet is marked with its name.
    """
    return [told(line) for line in _say(intent, asset, fee_asset)]


def _say(intent: Intent, asset: Asset | None, fee_asset: Asset | None) -> list[str]:
    request = intent.request
    if isinstance(request, ClientOpeningRequest):
        return _say_opening(intent, request)
    if isinstance(request, RespendRequest):
        return _say_respend(intent, request, asset)
    if isinstance(request, StrayReturnRequest):
        return _say_return(intent, request, asset)
    if isinstance(request, WithdrawalRequest):
        return _say_withdrawal(intent, request, asset, fee_asset)
    return say_other(intent, request, asset, fee_asset)


def _say_withdrawal(
    intent: Intent, request: WithdrawalRequest, asset: Asset | None, fee_asset: Asset | None
) -> list[str]:
    amount = amount_in_words(request.amount, asset) if asset else f"{request.amount} base units of {request.asset}"
    fee = fee_in_words(request.max_fee, fee_asset or asset)
    return [
        f"Pay {amount} to {request.destination}",
        f"out of the money of client {request.client}, vault {intent.vault}, on {intent.chain}",
        f"network fee at most {fee}; purpose: {request.purpose}",
        f"asked for by {request.requester}, good until {rfc3339(request.not_after)}",
        f"code {digest_code(intent.digest)}",
    ]


def _say_respend(intent: Intent, request: RespendRequest, asset: Asset | None) -> list[str]:
    amount = amount_in_words(request.amount, asset) if asset else f"{request.amount} base units of {request.asset}"
    return [
        f"Give up the withdrawal of {amount} with code {digest_code(request.of)}: it can be paid no more",
        f"nobody is paid; client {request.client}, vault {intent.vault}, on {intent.chain}",
        f"purpose: {request.purpose}",
        f"asked for by {request.requester}, good until {rfc3339(request.not_after)}",
        f"code {digest_code(intent.digest)}",
    ]


def _say_return(intent: Intent, request: StrayReturnRequest, asset: Asset | None) -> list[str]:
    amount = amount_in_words(request.amount, asset) if asset else f"{request.amount} base units of {request.asset}"
    return [
        f"Send {amount} that came astray on to {request.destination}, on {intent.chain}",
        f"it came with {request.txid} (number {request.position}) to {request.address},",
        f"an address of client {request.client}, vault {intent.vault}, on a chain it was not made for: in no books",
        f"purpose: {request.purpose}",
        f"asked for by {request.requester}, good until {rfc3339(request.not_after)}",
        f"code {digest_code(intent.digest)}",
    ]


def _say_opening(intent: Intent, request: ClientOpeningRequest) -> list[str]:
    whose = "its own vault" if request.segregation == "segregated" else "the pool it shares"
    return [
        f"Open client {request.name} ({request.client}), {request.segregation}",
        f"vault {intent.vault} on {intent.chain} is {whose} from now on",
        f"asked for by {request.requester}, good until {rfc3339(request.not_after)}",
        f"code {digest_code(intent.digest)}",
    ]


__all__ = ["amount_in_words", "digest_code", "say"]
