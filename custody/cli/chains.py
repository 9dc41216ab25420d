"""Naming a chain on the command line, and reading what is written in an asset's own units without a database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from custody.chains.addressing import Addressing
    from custody.kernel.money import Asset

ChainOption = Annotated[str, typer.Option("--chain", help="Short name or CAIP-2 id; every chain without it.")]


def asset_named(name: str, network: str) -> tuple[Addressing, Asset]:
    """The chain and asset that people mean by a short code or CAIP-19 id, out of our own list and no server's.

    Without a network it is looked for on those of the settings; without a name it is the chain's own. Raises
    ``InvalidInput`` naming what is accepted, and ``ConfigError``.
    """
    from config.settings import listed_assets
    from custody.chains.registry import addressing, chain_named
    from custody.kernel.errors import InvalidInput
    from custody.kernel.money import Asset

    listed = listed_assets()
    chains = [name.split("/", 1)[0]] if "/" in name else [chain_named(each) for each in _networks(network)]
    places = [addressing(chain) for chain in chains]
    if network and "/" in name and chain_named(network) != chains[0]:
        raise InvalidInput("is of another chain than the network named", field="asset")
    known = [(where, where.native) for where in places]
    for where in places:
        here = (item for item in listed.values() if item.chain == where.chain)
        known += [(where, Asset(item.id, item.code, item.decimals, item.chain)) for item in here]
    if not name and len(places) == 1:
        return known[0]
    found = [(where, asset) for where, asset in known if name in (asset.code, asset.id)]
    if len(found) == 1:
        return found[0]
    problem = "is on several chains; say --network" if found else "not known here" if name else "missing"
    accepted = ", ".join(dict.fromkeys(asset.code for _, asset in known))
    raise InvalidInput(f"{problem}; accepted is {accepted}, or a CAIP-19 id", field="asset")


def network_named(named: str) -> Addressing:
    """The chain that people name, or the only one of the settings. Raises ``InvalidInput`` naming what is accepted."""
    from custody.chains.registry import addressing, chain_named
    from custody.kernel.errors import InvalidInput

    names = _networks(named)
    if len(names) != 1:
        raise InvalidInput(f"missing where there are several; accepted is one of {', '.join(names)}", field="network")
    return addressing(chain_named(names[0]))


def at_most(units: int, where: Addressing, asset: Asset, *, field: str) -> int:
    """``units`` if there can be that many. Raises ``InvalidInput`` naming ``field``."""
    from custody.kernel.errors import InvalidInput

    if units > where.most_units(asset.id):
        raise InvalidInput("more than there will ever be", field=field)
    return units


def _networks(named: str) -> list[str]:
    """Those named, or those of the settings; Bitcoin's main network where nothing says any."""
    found = named or os.environ.get("CUSTODY_CHAINS", "") or os.environ.get("CUSTODY_NETWORK", "") or "mainnet"
    return [each.strip() for each in found.split(",")]


def native_of(chain: str) -> Asset | None:
    """The own asset of the chain of that CAIP-2 id, or None for a chain nobody knows."""
    from custody.chains.registry import ADDRESSINGS, addressing

    return addressing(chain).native if chain in ADDRESSINGS else None


def asset_of(asset_id: str) -> Asset | None:
    """The asset of that CAIP-19 id: a chain's own, or one of our own list; None for any other."""
    from config.settings import listed_assets
    from custody.chains.registry import ADDRESSINGS, addressing
    from custody.kernel.money import Asset

    chain = asset_id.split("/", 1)[0]
    if chain not in ADDRESSINGS:
        return None
    native, listed = addressing(chain).native, listed_assets().get(asset_id)
    if asset_id == native.id:
        return native
    return None if listed is None else Asset(listed.id, listed.code, listed.decimals, listed.chain)
