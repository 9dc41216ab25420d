"""Intents: the exact thing someone wants done, named by one digest that everything else refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from custody.evidence import fields
from custody.evidence.requests import FORMAT, Request, parse_request
from custody.kernel.canonical import digest
from custody.kernel.errors import InvalidInput

_VAULT = re.compile(r"([A-Za-z0-9_.:-]{1,64})/(0|[1-9][0-9]{0,9})", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Intent:
    """A request bound to a chain and a vault. Names no coin, no nonce and no policy."""

    request: Request
    chain: str
    vault: VaultName

    @property
    def kind(self) -> str:
        """What is wanted: ``withdrawal``, ``client_opening``, ``respend``, ``stray_return``."""
        return self.request.kind

    @property
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
