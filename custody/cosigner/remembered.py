"""What verification asks of the memory, as values: the pure side of ``memory``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from custody.evidence.intents import VaultName

Outpoint = tuple[str, int]
"""Transaction id and output number."""


@dataclass(frozen=True, slots=True)
class PaidIntent:
    """One intent that a transaction pays."""

    digest: str
    request_digest: str
    amount_sat: int
    facts: Mapping[str, str]
    """Policy facts as they stood at signing, for this program's own count of usage."""

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {
            "digest": self.digest,
            "request_digest": self.request_digest,
            "amount_sat": self.amount_sat,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction this program signed."""

    txid: str
    bundle: str
    attempt: str
    bundle_digest: str
    at: datetime
    inputs: Mapping[Outpoint, int]
    """Amounts in satoshi."""
    outputs: tuple[tuple[str, int], ...]
    """Script (hex) and satoshi, in transaction order."""
    fee_sat: int
    intents: tuple[PaidIntent, ...]

    @property
    def intent_digests(self) -> frozenset[str]:
        """Which intents it pays."""
        return frozenset(intent.digest for intent in self.intents)


@dataclass(frozen=True, slots=True)
class KnownOpening:
    """Whose a branch is, from a ``client_opening`` this program has checked."""

    client: str
    segregation: str
    vault: VaultName
    digest: str


class MemoryView(Protocol):
    """What this program remembers. Reads only; nothing here changes while one bundle is verified."""

    def openings(self) -> Iterable[KnownOpening]:
        """Every opening accepted before."""

    def signed_for_intent(self, digest: str) -> Iterable[SignedTransaction]:
        """Every transaction signed for the intent with this digest."""

    def signed_with_coin(self, outpoint: Outpoint) -> Iterable[SignedTransaction]:
        """Every transaction signed that spends this coin."""

    def intent_of_request(self, request_digest: str) -> str | None:
        """The intent under which this signed request was paid before."""

    def signed_since(self, moment: datetime) -> Iterable[SignedTransaction]:
        """Every transaction signed at or after ``moment``."""

    def first_seen(self, digest: str) -> datetime | None:
        """When this program first saw the intent's proof."""

    def nonce_use(self, approver: str, nonce: str) -> str | None:
        """The statement (hex) that used this approver's nonce before."""

    def refused_transaction(self, txid: str) -> bool:
        """Whether a refusal of this transaction was signed."""

    def signed_bundle(self, bundle: str, attempt: str) -> SignedTransaction | None:
        """The transaction signed under this bundle id or attempt."""
