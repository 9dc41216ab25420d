"""Whether registered assets are what they are registered as."""

from __future__ import annotations

from custody.bootstrap import Runtime, ServedChain
from custody.trust.inspection import inspect_assets
from workers.unit import chain_task


@chain_task("assets.check")
def check(runtime: Runtime, here: ServedChain) -> None:
    """Ask the chain's node; an asset that is not what it is registered as is an alarm."""
    inspect_assets(runtime.database, here.inspect, chain=here.chain)
