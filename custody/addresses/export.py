"""What a cold restore needs: every vault's texts with their highest issued indexes, without our database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.addresses import queries
from custody.chains.addressing import Addressing
from custody.chains.registry import addressing
from custody.clients import queries as clients
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.vaults import queries as vaults
from custody.vaults.model import Vault

LABEL: Final = 20
"""Characters of a label that every device shows."""


@dataclass(frozen=True, slots=True)
class VaultExport:
    """One vault as text: its texts find every address with the chain's own tools."""

    vault: str
    chain: str
    clients: tuple[str, ...]
    descriptor: str
    """The whole vault in one, with checksum."""
    receive: str
    """The addresses paid to from outside; empty where the chain has no such text."""
    change: str
    """Empty where the chain makes no change."""
    highest_receive: int | None
    highest_change: int | None
    highest_of: Mapping[str, int] = field(default_factory=dict)
    """Highest index per client id, where an address is made for one client; the id is part of the address there."""
    first_position: int = 0
    """Where the vault's index 0 is in its texts: several vaults share one text where it is more than 0."""

    def to_json(self) -> dict[str, Any]:
        """The exported object."""
        names = (*_keys(addressing(self.chain)), *(("first_position",) if self.first_position else ()))
        return {name: list(self.clients) if name == "clients" else getattr(self, name) for name in names}

    @classmethod
    def parse(cls, value: object, *, field: str = "export") -> VaultExport:
        """Read one exported object and check it (``import_check``). Raises ``InvalidInput`` naming the field."""
        where = _addressing(value, field)
        is_shared = isinstance(value, Mapping) and "first_position" in value
        found = fields.exact_object(value, (*_keys(where), *(("first_position",) if is_shared else ())), field=field)
        names = fields.array(found["clients"], field=f"{field}.clients")
        texts = {
            key: fields.text(found[key], field=f"{field}.{key}", limit=4000) if key in found else ""
            for key in ("descriptor", "receive", "change")
        }
        export = cls(
            vault=fields.name(found["vault"], field=f"{field}.vault"),
            chain=where.chain,
            clients=tuple(fields.text(name, field=f"{field}.clients") for name in names),
            highest_receive=_highest(found.get("highest_receive"), f"{field}.highest_receive"),
            highest_change=_highest(found.get("highest_change"), f"{field}.highest_change"),
            highest_of=_highest_of(found.get("highest_of", {}), f"{field}.highest_of"),
            first_position=_first(found["first_position"], field) if is_shared else 0,
            **texts,
        )
        import_check(export, field=field)
        return export

    def ranges(self) -> list[tuple[str, tuple[int, int]]]:
        """(text, first and last position) of each series, for a node's ranged scan; nothing issued, nothing to scan."""
        both = ((self.receive, self.highest_receive), (self.change, self.highest_change))
        first = self.first_position
        return [(text, (first, first + highest)) for text, highest in both if highest is not None]


def export(session: Session) -> list[VaultExport]:
    """Every vault, oldest first. Raises ``KeysetTampered`` rather than export a text nobody signed."""
    names = {client.id: client.name for client in clients.every(session)}
    return [_export(session, vault, names) for vault in vaults.every(session)]


def wallet_file(session: Session, *, vault: str, kind: str, label: str = "", since_height: int = 0) -> str:
    """One vault as other people's wallets and devices read it, ``kind`` naming the file.

    ``label`` is what they will show, the vault's id where it is empty. Raises ``UnknownVault``, ``KeysetTampered``,
    ``InvalidInput`` as ``AddressSource.wallet_file`` does.
    """
    found = vaults.get(session, vault=vault)
    keyset = vaults.keyset(session, keyset_id=found.keyset)
    tail = f"-{found.branch}"
    return vaults.source_of(session, vault=found).wallet_file(
        kind,
        label=label or f"{found.keyset[: LABEL - len(tail)]}{tail}",
        cosigners=[cosigner.id for cosigner in keyset.cosigners],
        since_height=since_height,
    )


def import_check(given: VaultExport, *, field: str = "export") -> None:
    """The texts carry right checksums and say one and the same vault. Raises ``InvalidInput``."""
    addressing(given.chain).check_texts(given.descriptor, receive=given.receive, change=given.change, field=field)


def _addressing(value: object, field: str) -> Addressing:
    if not isinstance(value, Mapping):
        raise InvalidInput("not an object", field=field)
    return addressing(fields.name(value.get("chain"), field=f"{field}.chain"))


def _keys(where: Addressing) -> tuple[str, ...]:
    shared = ("vault", "chain", "clients", "descriptor")
    if where.personal:
        return (*shared, "highest_of")
    if not where.makes_change:
        return (*shared, "receive", "highest_receive")
    return (*shared, "receive", "change", "highest_receive", "highest_change")


def _export(session: Session, vault: Vault, names: dict[str, str]) -> VaultExport:
    source = vaults.source_of(session, vault=vault)
    highest = {
        (kept_for, change): queries.highest_issued(session, vault=vault.id, change=change, kept_for=kept_for)
        for kept_for, change in queries.series(session, vault=vault)
    }
    return VaultExport(
        vault=vault.id,
        chain=vault.chain,
        clients=tuple(names[member.client] for member in vaults.members(session, vault=vault.id)),
        descriptor=source.text,
        receive=source.receive_text,
        change=source.change_text,
        highest_receive=highest.get(("", False)),
        highest_change=highest.get(("", True)),
        highest_of={client: last for (client, _), last in highest.items() if client and last is not None},
        first_position=source.first_position,
    )


def _first(value: object, field: str) -> int:
    return fields.whole_number(value, field=f"{field}.first_position", low=1, high=2**31 - 1)


def _highest(value: object, field: str) -> int | None:
    return None if value is None else fields.whole_number(value, field=field)


def _highest_of(value: object, field: str) -> dict[str, int]:
    clients = fields.exact_object(value, tuple(value) if isinstance(value, Mapping) else (), field=field)
    return {
        fields.name(client, field=field): fields.whole_number(last, field=field) for client, last in clients.items()
    }
