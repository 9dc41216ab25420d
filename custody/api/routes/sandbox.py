"""A sandbox: the same house on a network of one's own, whose nodes are told to mine, to pay in, and to reorganise.

These routes are in no routing table but that of a house whose every network is one's own. None moves a clock.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, json_object
from custody.api.call import AsRequesterOrOperator, Call
from custody.api.giving import give_address, vault_on
from custody.bootstrap import ServedChain
from custody.bootstrap import sandbox as sandbox_of
from custody.chains.sandbox import Sandbox
from custody.evidence import fields
from custody.kernel.money import parse_decimal
from custody.kernel.shown import asset_view, money
from custody.views.objects import address_view

MOST_BLOCKS: Final = 200
DEEPEST: Final = 20

router = APIRouter(prefix="/v1/test")


@router.post("/mine")
def mine(call: AsRequesterOrOperator, body: Body) -> Response:
    """Make blocks of what waits; ``chain`` may be null where one is served."""
    served, blocks = _asked(call, body, "blocks", MOST_BLOCKS)
    _node(call, served).mine(blocks)
    return _height(served)


@router.post("/deposit")
def deposit(call: AsRequesterOrOperator, body: Body) -> Response:
    """Pay ``amount`` of the chain's own asset to the client's next address: 201; it is in no block yet."""
    found = json_object(body, "client", "chain", "amount")
    client = fields.name(found["client"], field="client")
    named = None if found["chain"] is None else fields.text(found["chain"], field="chain")
    served = call.runtime.of(call.unit(lambda unit: vault_on(unit, call, client=client, chain=named)).chain)
    native = served.addressing.native
    amount = parse_decimal(found["amount"], native, field="amount")
    node = _node(call, served)
    address, chain = call.unit(lambda unit: give_address(unit, call, client=client, chain=served.chain))
    txid = node.pay(address.address, amount.units)
    shown = {"asset": asset_view(native), "amount": money(amount.units, native), "txid": txid}
    return JSONResponse(address_view(address, chain) | shown, status_code=201)


@router.post("/reorg")
def reorg(call: AsRequesterOrOperator, body: Body) -> Response:
    """Undo the newest ``depth`` blocks: what stood in them is in none, and may be mined again."""
    served, depth = _asked(call, body, "depth", DEEPEST)
    _node(call, served).reorganise(depth)
    return _height(served)


def _asked(call: Call, body: bytes, named: str, most: int) -> tuple[ServedChain, int]:
    """Of which chain it is asked, and the number called ``named``."""
    found = json_object(body, "chain", named)
    number = fields.whole_number(found[named], field=named, low=1, high=most)
    chain = None if found["chain"] is None else fields.text(found["chain"], field="chain")
    return call.runtime.chosen(chain), number


def _node(call: Call, served: ServedChain) -> Sandbox:
    """The node, once it is known to be of a network of one's own: settings may be wrong about what answers there."""
    node = sandbox_of(call.runtime, served.chain)
    served.node.require_ready()
    return node


def _height(served: ServedChain) -> Response:
    return JSONResponse({"chain": served.chain, "height": served.node.status().height})
