"""What is signed for a withdrawal: every attempt's bytes as people read them, and how attempts and rivals exclude."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent
from custody.chains.decoding import Decoded, Paid, decoded
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import CustodyError
from custody.kernel.money import Asset
from custody.spends import queries as spends
from custody.spends.model import Attempt
from custody.trust.assets import KnownAssets
from custody.views.objects import money
from custody.withdrawals.model import Withdrawal

_SHOWN: Final = 20
"""Attempts that are decoded, the newest; a fee is raised a few times, not more."""
_OVER: Final = ("abandoned",)


def signed(
    session: Session, filed: FiledIntent, withdrawal: Withdrawal, *, root: TrustRoot, assets: KnownAssets
) -> list[dict[str, Any]]:
    """Each attempt decoded, oldest first, with the coins or turns it shares with the others. One statement."""
    found = spends.attempts(session, withdrawal=withdrawal.id)[-_SHOWN:]
    alive = [each for each in found if each.state not in _OVER]
    shared = set[str]().union(*(each.claims for each in alive)) if alive else set[str]()
    for each in alive:
        shared &= set(each.claims)
    return [_attempt(each, filed, shared, root, assets) for each in found]


def _attempt(
    attempt: Attempt, filed: FiledIntent, shared: set[str], root: TrustRoot, assets: KnownAssets
) -> dict[str, Any]:
    about = {
        "sequence": attempt.sequence,
        "state": attempt.state,
        "claims": list(attempt.claims),
        "shared": sorted(shared & set(attempt.claims)),
        "problem": "",
    }
    try:
        return about | _told(_read(attempt, filed, root), filed, attempt.chain, assets, pays=attempt.pays)
    except CustodyError as error:
        nothing: dict[str, Any] = {"spend": attempt.spend, "operation": "", "outputs": [], "fee": None}
        return about | nothing | {"hashes": [], "screens": [], "problem": f"cannot be read: {error.message}"}


def _read(attempt: Attempt, filed: FiledIntent, root: TrustRoot) -> Decoded:
    vault = filed.intent.vault
    keyset = root.keyset(vault.keyset)
    if keyset is None:
        raise CustodyError(f"the trust root has no keyset {vault.keyset}")
    return decoded(
        attempt.unsigned,
        keyset=keyset,
        chain=attempt.chain,
        branch=vault.branch,
        change_index=attempt.change_index,
        assets=[each.id for each in root.assets],
    )


def _told(found: Decoded, filed: FiledIntent, chain: str, assets: KnownAssets, *, pays: bool) -> dict[str, Any]:
    own = assets.native(chain)
    to, units = (getattr(filed.intent.request, name, None) for name in ("destination", "amount"))
    asset = getattr(filed.intent.request, "asset", None)
    is_paid = any((each.address, each.asset, each.units) == (to, asset, units) for each in found.outputs)
    return {
        "spend": found.spend,
        "operation": found.operation,
        "outputs": [_output(each, to, assets) for each in found.outputs],
        "fee": None if found.fee_units is None else _amount(found.fee_units, own),
        "hashes": [{"name": name, "value": value} for name, value in found.hashes],
        "about_hashes": found.about_hashes,
        "screens": [each.to_json() for each in found.screens],
        "problem": "" if is_paid or not pays else "does not pay what was asked for",
    }


def _output(paid: Paid, to: str | None, assets: KnownAssets) -> dict[str, Any]:
    what = "change: back to this vault, derived again from its keys" if paid.own else "another payment beside this one"
    return {
        "address": paid.address,
        "amount": _amount(paid.units, assets.of(paid.asset)),
        "what": "this payment" if paid.address == to else what,
    }


def _amount(units: int, asset: Asset) -> dict[str, str]:
    return {**money(units, asset), "code": asset.code}
