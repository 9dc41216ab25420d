"""Where leaving older keysets stands, and what is to be asked for next."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.call import AsReader
from custody.bootstrap import Runtime
from custody.chains.registry import spending
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.rotation.model import Left, Opening, RotationPlan, Standing, Step
from custody.rotation.planning import Means, plan
from custody.rotation.queries import read, unfinished
from custody.trust.assets import KnownAssets, known_assets
from custody.views.objects import money, withdrawal_view

INPUTS: Final = 50
"""Coins in one sweep, where nobody says: a transaction that any node relays and every cosigner can read."""
MOST_INPUTS: Final = 200

router = APIRouter(prefix="/v1/rotation")


@router.get("")
def rotation(call: AsReader, chain: str | None = None, inputs: int = INPUTS, fee_rate: int | None = None) -> Response:
    """What older keysets still hold, the sweeps on their way, and the plan: openings and sweeps to ask for.

    ``fee_rate`` is in the chain's own words, for the ``chain`` named beside it; without it the node's estimate counts.
    """
    fields.whole_number(inputs, field="inputs", low=1, high=MOST_INPUTS)
    means = _means(call.runtime, chain, fee_rate)
    rules = {each: item.rules for each, item in means.items()}
    standing, assets = call.trusting(
        lambda unit, trust: (read(unit.session, root=trust.root, rules=rules), known_assets(unit.session))
    )
    # Nodes are asked for fees after the unit has ended.
    return JSONResponse(rotation_view(standing, plan(standing, means=means, most_inputs=inputs), assets))


def rotation_view(standing: Standing, planned: RotationPlan, assets: KnownAssets) -> dict[str, Any]:
    """Everything of it, for people and programs."""
    under_way = unfinished(standing.sweeps)
    return {
        "keysets": [
            {"chain": each.chain, "newest": each.newest, "older": list(each.older)} for each in standing.successions
        ],
        "remaining": [
            {
                "keyset": each.keyset,
                "asset": each.asset,
                "amount": money(each.units, assets.of(each.asset)),
                "vaults": each.vaults,
            }
            for each in standing.remaining
        ],
        "openings": [_opening(each) for each in standing.openings],
        "sweeps": [_step(each, assets) for each in planned.steps],
        "left": [_left(each, assets) for each in planned.left],
        "under_way": [withdrawal_view(each, assets) for each in under_way],
        "states": dict(sorted(Counter(each.state.value for each in standing.sweeps).items())),
    }


def _means(runtime: Runtime, chain: str | None, fee_rate: int | None) -> dict[str, Means]:
    if fee_rate is not None and chain is None:
        raise InvalidInput("missing beside a fee rate, which is one chain's", field="chain")
    chosen = list(runtime.chains.values()) if chain is None else [runtime.chosen(chain)]
    means = {}
    for served in chosen:
        words = spending(served.chain).fee_rate
        rate = None
        if fee_rate is not None:
            rate = words.scale * fields.whole_number(fee_rate, field="fee_rate", low=1, high=words.highest)
        means[served.chain] = Means(served.node, served.spend_rules, rate)
    return means


def _opening(opening: Opening) -> dict[str, Any]:
    names = ("client", "name", "segregation", "chain", "keyset", "branch", "is_asked")
    return {name: getattr(opening, name) for name in names}


def _step(step: Step, assets: KnownAssets) -> dict[str, Any]:
    names = ("client", "chain", "asset", "out_of", "to", "inputs")
    return {name: getattr(step, name) for name in names} | {
        "amount": money(step.units, assets.of(step.asset)),
        "max_fee": money(step.max_fee_units, assets.native(step.chain)),
        "fee_asset": assets.native(step.chain).code,
    }


def _left(left: Left, assets: KnownAssets) -> dict[str, Any]:
    return {
        "client": left.client or None,
        "vault": left.vault,
        "asset": left.asset,
        "amount": money(left.units, assets.of(left.asset)),
        "why": left.why,
    }
