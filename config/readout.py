"""From which size on a first payment's address is read out by who approves it. Pure: text in, sizes or an error out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from config.chains import ConfigError

_SIZE: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,8})?) ([A-Za-z0-9._-]{1,16})", re.ASCII)


def read_sizes(text: str, *, setting: str) -> Mapping[str, Decimal]:
    """``0.5 BTC, 10 ETH``: an amount in whole units for each asset's code; empty: none. Raises ``ConfigError``."""
    found: dict[str, Decimal] = {}
    for part in (each.strip() for each in text.split(",") if each.strip()):
        said = _SIZE.fullmatch(part)
        if said is None or said[2] in found:
            raise ConfigError(setting, "not a list of sizes; accepted is, once for each asset: 0.5 BTC, 10 ETH")
        found[said[2]] = Decimal(said[1])
    return found
