"""What verification asks of the memory, as values: the pure side of ``memory``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from custody.evidence.intents import VaultName

Claim = str
"""What one spend alone may take, as the chain writes it: a coin ``txid:vout``, a turn ``account#number``."""


@dataclass(frozen=True, slots=True)
class PaidIntent:
    """One intent that a spend pays, or that asks for it though it pays nobody."""

    digest: str
    request_digest: str
    asset: str
    """CAIP-19 id."""
    units: int
    """Paid to others, in base units; 0 where nobody is paid."""
    facts: Mapping[str, str]
    """Policy facts as they stood at signing, for this program's own count of usage."""
    of: str | None = None
    """The intent it gives up, where it pays nobody."""
    stray: str | None = None
    """What came astray that it sends on, by the digest that names it."""

    @property
    def matter(self) -> str:
        """What is done once at most, whoever asks for it: a payment, by its intent, or sending on what came astray."""
        return self.stray or self.of or self.digest

    @property
    def digests(self) -> tuple[str, ...]:
        """Its own, and that of its matter."""
        return (self.digest,) if self.matter == self.digest else (self.digest, self.matter)

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {
            "digest": self.digest,
            "request_digest": self.request_digest,
            "asset": self.asset,
            "units": str(self.units),
            "facts": dict(self.facts),
            **({} if self.of is None else {"of": self.of}),
            **({} if self.stray is None else {"stray": self.stray}),
        }

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> PaidIntent:
        """Read what ``to_json`` wrote, now or when there was one asset and amounts were numbers of satoshi."""
        return cls(
            digest=body["digest"],
            request_digest=body["request_digest"],
            asset=body["asset"] if "asset" in body else f"{body['facts']['chain']}/slip44:0",
            units=int(body["units"] if "units" in body else body["amount_sat"]),
            facts=body["facts"],
            of=body.get("of"),
            stray=body.get("stray"),
        )


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A spend this program signed."""

    spend: str
    """Its id on the chain."""
    bundle: str
    attempt: str
    bundle_digest: str
    at: datetime
    claims: Mapping[Claim, int]
    """With the base units in each, where it is a coin."""
    outputs: tuple[tuple[str, int], ...]
    """Whom it pays as the chain calls them, and base units, in its own order."""
    fee_units: int
    intents: tuple[PaidIntent, ...]

    @property
    def matters(self) -> frozenset[str]:
        """Which intents it pays or gives up; and what came astray that it sends on."""
        return frozenset(intent.matter for intent in self.intents)

    @property
    def pays_nobody(self) -> bool:
        """Whether it only uses its claims up."""
        return any(intent.of is not None for intent in self.intents)


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
        """Every spend signed that pays the intent with this digest, or gives it up; or sends on this stray."""

    def signed_with_claim(self, claim: Claim) -> Iterable[SignedTransaction]:
        """Every spend signed that takes this claim."""

    def intent_of_request(self, request_digest: str) -> str | None:
        """The intent under which this signed request was paid before."""

    def signed_since(self, moment: datetime) -> Iterable[SignedTransaction]:
        """Every spend signed at or after ``moment``."""

    def first_seen(self, digest: str) -> datetime | None:
        """When this program first saw the intent's proof."""

    def newest_status(self, service: str) -> tuple[int, str] | None:
        """Number and message (hex) of the newest status statement of this service that was seen here."""

    def nonce_use(self, approver: str, nonce: str) -> str | None:
        """The statement (hex) that used this approver's nonce before."""

    def refused_spend(self, spend: str, intents: Collection[str]) -> bool:
        """Whether a refusal of this spend was signed for one of these intents, or for intents nobody wrote down."""

    def signed_bundle(self, bundle: str, attempt: str) -> SignedTransaction | None:
        """The spend signed under this bundle id or attempt."""
