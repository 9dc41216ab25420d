"""How one browser wants the console to look: theme, density, and whether single letters are shortcuts.

It is kept in a cookie of its own that says nothing of the person; whatever is in it that is not known counts as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

THEMES: Final = ("system", "light", "dark")
DENSITIES: Final = ("dense", "roomy")
LETTERS: Final = ("on", "off")
COOKIE: Final = "custody-looks"
LASTS_SECONDS: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Looks:
    """The three choices."""

    theme: str = "system"
    density: str = "dense"
    letters: str = "on"

    @property
    def cookie(self) -> str:
        """What ``read`` reads."""
        return f"{self.theme}.{self.density}.{self.letters}"

    @classmethod
    def read(cls, cookie: str) -> Looks:
        """The choices in a cookie; what it does not say, or says wrongly, is as it is for a newcomer."""
        said = [*cookie.split("."), "", "", ""][:3]
        plain = cls()
        return cls(
            theme=said[0] if said[0] in THEMES else plain.theme,
            density=said[1] if said[1] in DENSITIES else plain.density,
            letters=said[2] if said[2] in LETTERS else plain.letters,
        )
