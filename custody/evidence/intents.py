"""Intents: the exact thing someone wants done, named by one digest that everything else refers to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from custody.evidence import fields
from custody.evidence.places import HOUSE, NOWHERE, VaultName
from custody.evidence.requests import FORMAT, Request, parse_request
from custody.kernel.canonical import digest


@dataclass(frozen=True)
class Intent:
    """A request bound to a chain and a vault, or to the house. Names no coin, no nonce and no policy."""

    request: Request
    chain: str
    vault: VaultName

    @property
    def kind(self) -> str:
        """What is wanted: one of ``requests.KINDS``."""
        return self.request.kind

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 under the tag ``custody/intent/v1`` of the canonical JSON."""
        return digest("intent", self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The canonical object behind the digest."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "request": self.request.to_json(),
            "chain": self.chain,
            "vault": str(self.vault),
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "intent") -> Intent:
        """Read an intent; its kind must be its request's kind. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("format", "kind", "request", "chain", "vault"), field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        request = parse_request(found["request"], field=f"{field}.request")
        fields.one_of(found["kind"], (request.kind,), field=f"{field}.kind")
        return cls(
            request=request,
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            vault=VaultName.parse(found["vault"], field=f"{field}.vault"),
        )


def in_the_house(request: Request) -> Intent:
    """The intent of a request that takes place on no chain and moves nothing out of a vault."""
    return Intent(request=request, chain=NOWHERE, vault=HOUSE)


__all__ = ["HOUSE", "NOWHERE", "Intent", "VaultName", "in_the_house"]
