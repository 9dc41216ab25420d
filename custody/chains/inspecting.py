"""Whether an asset is what it is registered as, as its own chain says: plain values. Nothing is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from custody.kernel.money import Asset


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the chain says of one registered asset."""

    asset: Asset
    decimals: int | None
    """None where it does not say: then the registered number is used."""
    calls_itself: str | None
    """A short name, cut and made plain; None where it says none."""
    problems: tuple[str, ...]
    """Why it is not what it is registered as."""
    notes: tuple[str, ...] = ()
    """What is odd and does no harm."""

    @property
    def is_sound(self) -> bool:
        """Whether it may be what it is registered as."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "asset": self.asset.code,
            "id": self.asset.id,
            "registered": self.asset.decimals,
            "decimals": self.decimals,
            "calls_itself": self.calls_itself,
            "sound": self.is_sound,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


Inspect = Callable[[Asset], Inspected]
"""Ask a chain's node about one asset of that chain. Raises ``NodeUnavailable``, and ``InvalidInput`` for an asset of
elsewhere."""

HasCode = Callable[[bytes], bool]
"""Ask a chain's node whether code lives at a place, by its locator. Raises ``NodeUnavailable``."""


def no_code(_locator: bytes, /) -> bool:
    """Of a chain where a place is no more than who may spend from it."""
    return False


def native_inspected(asset: Asset) -> Inspected:
    """What there is to say of a chain's own asset."""
    return Inspected(asset, asset.decimals, asset.code, ())
