"""Requests that change who may decide: each asks for one next version of the trust root, by its number and hash.

The kind says what may differ between the two versions (``custody.evidence.succession``); ``subject`` names it for
people: an operator, a group, a policy, a keyset, or what else the root holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from custody.evidence.requests.shape import DIGEST, NAME, Spelled, Spelling, reasoned, whole

_SPELLING: Mapping[str, Spelling] = reasoned(version=whole(low=2), root=DIGEST, subject=NAME)


@dataclass(frozen=True, slots=True)
class RuleChange(Spelled):
    """Put version ``version`` of the trust root in force, whose hash is ``root``."""

    spelling: ClassVar[Mapping[str, Spelling]] = _SPELLING

    requester: str
    version: int
    root: str
    subject: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class OperatorChangeRequest(RuleChange):
    """Enrol or remove an operator, or one of an operator's keys or passkeys."""

    kind: ClassVar[str] = "operator_change"


@dataclass(frozen=True, slots=True)
class GroupChangeRequest(RuleChange):
    """Put people into a group or take them out."""

    kind: ClassVar[str] = "group_change"


@dataclass(frozen=True, slots=True)
class PolicyChangeRequest(RuleChange):
    """Put another policy document in force."""

    kind: ClassVar[str] = "policy_change"


@dataclass(frozen=True, slots=True)
class KeysetChangeRequest(RuleChange):
    """Add a keyset that succeeds an older one. No keyset is ever edited or taken away."""

    kind: ClassVar[str] = "keyset_change"


@dataclass(frozen=True, slots=True)
class RootChangeRequest(RuleChange):
    """Change what else the root holds: back ends, assets, services, the console's origin, its expiry."""

    kind: ClassVar[str] = "root_change"
