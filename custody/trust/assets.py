"""Which assets of a chain count: its own, and whatever else the trust root registers there."""

from __future__ import annotations

from sqlalchemy.orm import Session

from custody.chains.registry import addressing
from custody.kernel.money import Asset
from custody.trust.operations import NoTrustRoot, in_force


def assets_of(session: Session, *, chain: str) -> tuple[Asset, ...]:
    """The chain's own asset first, then the others by their ids. Raises as reading the trust root does."""
    native = addressing(chain).native
    try:
        registered = in_force(session).root.assets
    except NoTrustRoot:
        registered = ()
    others = [asset for asset in registered if asset.chain == chain and asset.id != native.id]
    return (native, *sorted(others, key=lambda asset: asset.id))
