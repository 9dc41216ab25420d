"""Which assets of a chain count: its own, and whatever else the trust root registers there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from custody.chains.registry import addressing
from custody.kernel.errors import Broken
from custody.kernel.money import Asset
from custody.trust.operations import ASSETS_SEEN, NoTrustRoot, in_force


class AssetUnknown(Broken):
    """The books hold an asset nobody has decimals for."""

    code = "asset-unknown"


def registered_assets(session: Session) -> tuple[Asset, ...] | None:
    """Every asset the trust root in force registers, or None before there is one."""
    try:
        return in_force(session).root.assets
    except NoTrustRoot:
        return None


@dataclass(frozen=True, slots=True)
class KnownAssets:
    """Whatever the books may hold: what is registered, and each chain's own."""

    registered: Mapping[str, Asset]

    def of(self, asset_id: str) -> Asset:
        """The asset of that CAIP-19 id. Raises ``AssetUnknown``."""
        found = self.registered.get(asset_id)
        if found is not None:
            return found
        native = self.native(asset_id.split("/", 1)[0])
        if native.id != asset_id:
            raise AssetUnknown("the books hold an asset that the trust root does not register", asset=asset_id)
        return native

    def native(self, chain: str) -> Asset:
        """The chain's own asset. Raises ``InvalidInput`` for a chain nobody serves."""
        return addressing(chain).native


def known_assets(session: Session) -> KnownAssets:
    """What is known now. Raises as reading the trust root does."""
    return known_among(registered_assets(session) or ())


def known_among(registered: Iterable[Asset]) -> KnownAssets:
    """What is known where these are registered."""
    return KnownAssets({asset.id: asset for asset in registered})


def assets_seen(session: Session) -> KnownAssets:
    """The same, read once for each unit: for what a unit tells of many objects. Raises as ``known_assets``."""
    found: KnownAssets | None = session.info.get(ASSETS_SEEN)
    if found is None:
        # Telling comes in the middle of a change: it writes nothing down before its time.
        with session.no_autoflush:
            found = session.info[ASSETS_SEEN] = known_assets(session)
    return found


def assets_of(session: Session, *, chain: str) -> tuple[Asset, ...]:
    """The chain's own asset first, then the others by their ids. Raises as reading the trust root does."""
    native = addressing(chain).native
    registered = registered_assets(session) or ()
    others = [asset for asset in registered if asset.chain == chain and asset.id != native.id]
    return (native, *sorted(others, key=lambda asset: asset.id))
