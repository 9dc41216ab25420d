"""Where an intent takes place: a branch of a keyset, or the house itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from custody.kernel.errors import InvalidInput

_VAULT: Final = re.compile(r"([A-Za-z0-9_.:-]{1,64})/(0|[1-9][0-9]{0,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class VaultName:
    """Which vault: a branch of a keyset. Written ``kst_…/7``."""

    keyset: str
    branch: int

    def __str__(self) -> str:
        return f"{self.keyset}/{self.branch}"

    @classmethod
    def parse(cls, value: object, *, field: str) -> VaultName:
        """Read ``keyset/branch``. Raises ``InvalidInput``."""
        match = _VAULT.fullmatch(value) if isinstance(value, str) else None
        if match is None or int(match.group(2)) >= 2**31:
            raise InvalidInput("not a vault; accepted is keyset/branch", field=field)
        return cls(match.group(1), int(match.group(2)))


NOWHERE: Final = "house"
"""The chain of an intent that takes place on none."""
HOUSE: Final = VaultName(NOWHERE, 0)
"""The vault of an intent that moves nothing out of one. No keyset may be called so."""
