"""What a cold restore needs: every vault's descriptors with their highest issued indexes, without our database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from custody.addresses import queries
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, strip_checksum
from custody.chains.bitcoin.offline.expression import parse_vault_descriptor
from custody.chains.bitcoin.offline.network import network
from custody.clients import queries as clients
from custody.evidence import fields
from custody.kernel.errors import InvalidInput
from custody.vaults import queries as vaults
from custody.vaults.model import Vault

_KEYS = ("vault", "chain", "clients", "descriptor", "receive", "change", "highest_receive", "highest_change")


@dataclass(frozen=True, slots=True)
class VaultExport:
    """One vault as text: no id in it means anything to anybody but us, the descriptors mean everything."""

    vault: str
    chain: str
    clients: tuple[str, ...]
    descriptor: str
    """Receive and change in one (BIP-389), with checksum."""
    receive: str
    change: str
    highest_receive: int | None
    highest_change: int | None

    def to_json(self) -> dict[str, Any]:
        """The exported object."""
        return {name: list(self.clients) if name == "clients" else getattr(self, name) for name in _KEYS}

    @classmethod
    def parse(cls, value: object, *, field: str = "export") -> VaultExport:
        """Read one exported object and check it (``import_check``). Raises ``InvalidInput`` naming the field."""
        found = fields.exact_object(value, _KEYS, field=field)
        names = fields.array(found["clients"], field=f"{field}.clients")
        texts = {key: fields.text(found[key], field=f"{field}.{key}", limit=4000) for key in _KEYS[3:6]}
        export = cls(
            vault=fields.name(found["vault"], field=f"{field}.vault"),
            chain=fields.name(found["chain"], field=f"{field}.chain"),
            clients=tuple(fields.text(name, field=f"{field}.clients") for name in names),
            highest_receive=_highest(found["highest_receive"], f"{field}.highest_receive"),
            highest_change=_highest(found["highest_change"], f"{field}.highest_change"),
            **texts,
        )
        import_check(export, field=field)
        return export

    def ranges(self) -> list[tuple[str, int]]:
        """(descriptor, last index) of both chains, for a node's ranged scan; nothing issued, nothing to scan."""
        both = ((self.receive, self.highest_receive), (self.change, self.highest_change))
        return [(text, highest) for text, highest in both if highest is not None]


def export(session: Session) -> list[VaultExport]:
    """Every vault, oldest first. Raises ``KeysetTampered`` rather than export a descriptor nobody signed."""
    names = {client.id: client.name for client in clients.every(session)}
    return [_export(session, vault, names) for vault in vaults.every(session)]


def import_check(given: VaultExport, *, field: str = "export") -> None:
    """The three descriptors carry right checksums and say one and the same vault. Raises ``InvalidInput``."""
    chain = network(given.chain)
    parsed = parse_vault_descriptor(given.descriptor, network=chain, field=f"{field}.descriptor")
    if not parsed.multipath:
        raise InvalidInput("not both chains in one; accepted is <0;1>", field=f"{field}.descriptor")
    body = _with_checksum_only(given.descriptor, f"{field}.descriptor")
    for step, name in (("0", "receive"), ("1", "change")):
        text = _with_checksum_only(getattr(given, name), f"{field}.{name}")
        if text != body.replace("<0;1>", step):
            raise InvalidInput("another vault than the descriptor", field=f"{field}.{name}")


def _with_checksum_only(text: str, field: str) -> str:
    body = strip_checksum(text, field=field)
    if body == text:
        raise InvalidInput("has no checksum", field=field)
    return body


def _export(session: Session, vault: Vault, names: dict[str, str]) -> VaultExport:
    descriptor: BranchDescriptor = vaults.branch_descriptor(session, vault=vault)
    return VaultExport(
        vault=vault.id,
        chain=vault.chain,
        clients=tuple(names[member.client] for member in vaults.members(session, vault=vault.id)),
        descriptor=descriptor.text,
        receive=descriptor.receive_text,
        change=descriptor.change_text,
        highest_receive=queries.highest_issued(session, vault=vault.id, change=False),
        highest_change=queries.highest_issued(session, vault=vault.id, change=True),
    )


def _highest(value: object, field: str) -> int | None:
    return None if value is None else fields.whole_number(value, field=field)
