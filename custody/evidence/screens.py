"""What a signer's device shows of a spend, line by line, and what it leaves out.

Most devices show less than what is signed. Whoever signs with one compares these lines with its screen; what stands
under "not shown" can be compared nowhere but where these lines are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Screen:
    """One kind of device: its lines in its order, and what it does not show."""

    device: str
    lines: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "device": self.device,
            "lines": [{"label": label, "value": value} for label, value in self.lines],
            "not_shown": list(self.hidden),
        }


def grouped(text: str) -> str:
    """An address or hash in groups of four; what says only what it is (``0x``, ``bc1q``) stands apart."""
    lowered = text.lower()
    parts = lowered.partition("1") if not lowered.startswith("0x") and lowered[:2] in ("bc", "tb") else None
    start = len(parts[0]) + 2 if parts else (2 if lowered.startswith("0x") else 0)
    groups = [text[place : place + 4] for place in range(start, len(text), 4)]
    return " ".join([text[:start], *groups] if start else groups)
