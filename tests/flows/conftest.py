"""A road per test."""

from __future__ import annotations

from tests.support.roads import road

__all__ = ["road"]
