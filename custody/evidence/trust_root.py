"""The trust root: whose keys count. Signers pin it; the daemon can only carry it.

Version 1 is made in a ceremony before any vault exists: every operator and every cosigner signs the same
hash, and each cosigner pins that hash after a person compared its fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from custody.evidence import fields
from custody.evidence.keysets import Keyset
from custody.evidence.passkeys import Console, Credential
from custody.evidence.places import NOWHERE
from custody.evidence.requests import FORMAT
from custody.evidence.signatures import PublicKey, Signature, find_key
from custody.kernel.canonical import digest
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput, Refused
from custody.kernel.money import Asset

SERVICE_ROLES: Final = ("status", "prices", "screening")


class TrustRootRefused(Refused):
    """A trust root is not the pinned one, lacks a signature, or has expired."""

    code = "trust-root-refused"


@dataclass(frozen=True, slots=True)
class Person:
    """An operator, a requester or a service approver, and the keys and passkeys that speak for it."""

    id: str
    keys: tuple[PublicKey, ...]
    credentials: tuple[Credential, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object in the trust root."""
        return {
            "id": self.id,
            "keys": [key.to_json() for key in self.keys],
            "credentials": [credential.to_json() for credential in self.credentials],
        }


@dataclass(frozen=True, slots=True)
class Service:
    """A program that states what the house cannot prove, under a key that is not the daemon's."""

    id: str
    roles: tuple[str, ...]
    """Of ``SERVICE_ROLES``."""
    keys: tuple[PublicKey, ...]

    def to_json(self) -> dict[str, Any]:
        """The object in the trust root."""
        return {"id": self.id, "roles": list(self.roles), "keys": [key.to_json() for key in self.keys]}

    @classmethod
    def parse(cls, value: object, *, field: str) -> Service:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("id", "roles", "keys"), field=field)
        roles = fields.array(found["roles"], field=f"{field}.roles", limit=len(SERVICE_ROLES))
        return cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            roles=tuple(fields.one_of(role, SERVICE_ROLES, field=f"{field}.roles") for role in roles),
            keys=_parse_keys(found["keys"], f"{field}.keys"),
        )


@dataclass(frozen=True, slots=True)
class PriceRules:
    """When prices count: how old one may be, and how far sources may stand apart before they dispute each other."""

    max_age_seconds: int = 900
    deviation_bps: int = 500

    def to_json(self) -> dict[str, int]:
        """The object in the trust root."""
        return {"max_age_seconds": self.max_age_seconds, "deviation_bps": self.deviation_bps}


@dataclass(frozen=True)
class TrustRoot:
    """One version of the trust root document."""

    version: int
    name: str
    created_at: datetime
    expires_at: datetime
    assets: tuple[Asset, ...]
    operators: tuple[Person, ...]
    requesters: tuple[Person, ...]
    groups: Mapping[str, tuple[str, ...]]
    keysets: tuple[Keyset, ...]
    policy_hash: str
    previous: str | None = None
    """Hash of the version before; ``None`` of the first."""
    services: tuple[Service, ...] = ()
    console: Console | None = None
    """Where passkeys may be used; ``None`` where none may."""
    cooling_seconds: int = 0
    """How long a key or passkey that a later version adds must wait before it counts."""
    cooling: Mapping[str, datetime] = field(default_factory=dict)
    """Id of a key or passkey to the moment it counts from; those not named count from the beginning."""
    prices: PriceRules = PriceRules()

    @cached_property
    def hash(self) -> str:
        """Hex digest that every operator and cosigner signs and every cosigner pins."""
        return digest("trust-root", self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The canonical document."""
        return {
            "format": FORMAT,
            "version": self.version,
            "name": self.name,
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
            "assets": [
                {"id": asset.id, "code": asset.code, "decimals": asset.decimals, "chain": asset.chain}
                for asset in self.assets
            ],
            "operators": [person.to_json() for person in self.operators],
            "requesters": [person.to_json() for person in self.requesters],
            "groups": {group: list(members) for group, members in sorted(self.groups.items())},
            "keysets": [keyset.to_json() for keyset in self.keysets],
            "policy_hash": self.policy_hash,
            "previous": self.previous,
            "services": [service.to_json() for service in self.services],
            "console": None if self.console is None else self.console.to_json(),
            "cooling_seconds": self.cooling_seconds,
            "cooling": {key: rfc3339(moment) for key, moment in sorted(self.cooling.items())},
            "prices": self.prices.to_json(),
        }

    @classmethod
    def parse(cls, value: object, *, field: str = "trust_root") -> TrustRoot:
        """Read a trust root document. Raises ``InvalidInput`` naming the field."""
        keys = (
            *("format", "version", "name", "created_at", "expires_at", "assets", "operators", "requesters"),
            *("groups", "keysets", "policy_hash", "previous", "services", "console", "cooling_seconds", "cooling"),
            "prices",
        )
        found = fields.exact_object(value, keys, field=field)
        fields.whole_number(found["format"], field=f"{field}.format", low=FORMAT, high=FORMAT)
        root = cls(
            version=fields.whole_number(found["version"], field=f"{field}.version", low=1),
            name=fields.text(found["name"], field=f"{field}.name"),
            created_at=parse_rfc3339(found["created_at"], field=f"{field}.created_at"),
            expires_at=parse_rfc3339(found["expires_at"], field=f"{field}.expires_at"),
            assets=tuple(_parse_asset(item, f"{field}.assets") for item in _list(found, "assets", field)),
            operators=_parse_people(found, "operators", field),
            requesters=_parse_people(found, "requesters", field),
            groups=_parse_groups(found["groups"], f"{field}.groups"),
            keysets=tuple(Keyset.parse(item, field=f"{field}.keysets") for item in _list(found, "keysets", field)),
            policy_hash=fields.hexadecimal(found["policy_hash"], field=f"{field}.policy_hash", length=32),
            previous=_parse_previous(found["previous"], f"{field}.previous"),
            services=tuple(Service.parse(item, field=f"{field}.services") for item in _list(found, "services", field)),
            console=None if found["console"] is None else Console.parse(found["console"], field=f"{field}.console"),
            cooling_seconds=fields.whole_number(found["cooling_seconds"], field=f"{field}.cooling_seconds"),
            cooling=_parse_cooling(found["cooling"], f"{field}.cooling"),
            prices=_parse_prices(found["prices"], f"{field}.prices"),
        )
        root._check_names(field)
        return root

    def operator_key(self, operator: str, key_id: str) -> PublicKey | None:
        """The key ``key_id`` of ``operator``, or None."""
        return _key_of(self.operators, operator, key_id)

    def operator_credential(self, operator: str, credential_id: str) -> Credential | None:
        """The passkey ``credential_id`` of ``operator``, or None."""
        person = next((person for person in self.operators if person.id == operator), None)
        theirs = () if person is None else person.credentials
        return next((credential for credential in theirs if credential.id == credential_id), None)

    @property
    def agreeing(self) -> frozenset[str]:
        """Ids of the keys and passkeys that agree to things: operators'. Back ends and services ask and state."""
        keys = {key.id for person in self.operators for key in person.keys}
        return frozenset(keys | {each.id for person in self.operators for each in person.credentials})

    def service_key(self, service: str, key_id: str, *, role: str) -> PublicKey | None:
        """The key ``key_id`` of a service that has ``role``, or None."""
        found = next((each for each in self.services if each.id == service and role in each.roles), None)
        return find_key(found.keys, key_id) if found else None

    def services_of(self, role: str) -> tuple[Service, ...]:
        """Every service that has ``role``."""
        return tuple(service for service in self.services if role in service.roles)

    def counts(self, key_id: str, at: datetime) -> bool:
        """Whether the cooling period of a key or passkey was over at ``at``."""
        return key_id not in self.cooling or self.cooling[key_id] <= at

    def requester_key(self, requester: str, key_id: str) -> PublicKey | None:
        """The key ``key_id`` of ``requester`` (a back end, or an operator asking for something), or None."""
        return _key_of((*self.requesters, *self.operators), requester, key_id)

    def keyset(self, keyset_id: str) -> Keyset | None:
        """The keyset of that id, or None."""
        return next((keyset for keyset in self.keysets if keyset.id == keyset_id), None)

    def newest_keyset(self, chain: str) -> Keyset | None:
        """The keyset that the others of its chain were left for, or None."""
        return next((keyset for keyset in reversed(self.keysets) if keyset.chain == chain), None)

    def asset(self, asset_id: str) -> Asset | None:
        """The registered asset of that CAIP-19 id, or None."""
        return next((asset for asset in self.assets if asset.id == asset_id), None)

    def _check_names(self, field: str) -> None:
        everybody: tuple[Person | Service, ...] = (*self.operators, *self.requesters, *self.services)
        people = [person.id for person in everybody]
        keys = [key.public_key for person in everybody for key in person.keys]
        keys += [each.public_key for person in self.operators for each in person.credentials]
        ids = [key.id for person in everybody for key in person.keys]
        ids += [each.id for person in self.operators for each in person.credentials]
        if len(set(people)) != len(people):
            raise InvalidInput("one name stands for two people", field=f"{field}.operators")
        if len(set(keys)) != len(keys):
            raise InvalidInput("one key stands for two people", field=f"{field}.operators")
        if len(set(ids)) != len(ids):
            raise InvalidInput("one name stands for two keys", field=f"{field}.operators")
        if any(person.credentials for person in self.requesters):
            raise InvalidInput("a back end has no passkey", field=f"{field}.requesters")
        if any(keyset.id == NOWHERE for keyset in self.keysets):
            raise InvalidInput(f"no keyset may be called {NOWHERE}", field=f"{field}.keysets")
        codes = [(asset.chain, asset.code) for asset in self.assets]
        if len({asset.id for asset in self.assets}) != len(self.assets) or len(set(codes)) != len(codes):
            raise InvalidInput("one id or code stands for two assets of a chain", field=f"{field}.assets")
        points: dict[str, str] = {}
        for cosigner in (cosigner for keyset in self.keysets for cosigner in keyset.cosigners):
            # One signature of the ceremony, one token and one program go by a cosigner's name, so it has one key.
            if points.setdefault(cosigner.id, cosigner.public_key) != cosigner.public_key:
                raise InvalidInput(
                    f"{cosigner.id} stands for two keys; a key on another chain needs a name of its own",
                    field=f"{field}.keysets",
                )
        known = {person.id for person in self.operators}
        for group, members in self.groups.items():
            if not set(members) <= known:
                raise InvalidInput("a member is not an operator", field=f"{field}.groups.{group}")


@dataclass(frozen=True, slots=True)
class SignedTrustRoot:
    """A trust root and the signatures of its ceremony: operators' Ed25519, cosigners' account keys (ECDSA)."""

    root: TrustRoot
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """The file of the ceremony."""
        return {"document": self.root.to_json(), "signatures": [item.to_json() for item in self.signatures]}

    @classmethod
    def parse(cls, value: object, *, field: str = "trust_root") -> SignedTrustRoot:
        """Read the file of the ceremony. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("document", "signatures"), field=field)
        return cls(
            root=TrustRoot.parse(found["document"], field=f"{field}.document"),
            signatures=tuple(
                Signature.parse(item, field=f"{field}.signatures")
                for item in fields.array(found["signatures"], field=f"{field}.signatures")
            ),
        )


def check_ceremony(signed: SignedTrustRoot, *, now: datetime) -> TrustRoot:
    """Version 1 in force: signed by every operator and every cosigner, not expired. Raises ``TrustRootRefused``."""
    check_unexpired(signed.root, now=now)
    return check_first(signed)


def check_unexpired(root: TrustRoot, *, now: datetime) -> None:
    """Whichever version is the newest must not have expired. Raises ``TrustRootRefused``."""
    if now > root.expires_at:
        raise TrustRootRefused("has expired", field="trust_root.expires_at")


def check_first(signed: SignedTrustRoot) -> TrustRoot:
    """Version 1, signed by every operator and every cosigner, whether or not its time is over by now.

    What follows it may be in force for long after. Raises ``TrustRootRefused``.
    """
    root, message = signed.root, bytes.fromhex(signed.root.hash)
    if root.version != 1 or root.previous is not None:
        raise TrustRootRefused("is not a first version", field="trust_root.version")
    given = {item.key: item.signature for item in signed.signatures}
    for operator in root.operators:
        if not any(key.id in given and key.verifies(message, given[key.id]) for key in operator.keys):
            raise TrustRootRefused(f"operator {operator.id} has not signed", field="trust_root.signatures")
    for keyset in root.keysets:
        for cosigner in keyset.cosigners:
            if cosigner.id not in given or not cosigner.verifies(message, given[cosigner.id]):
                raise TrustRootRefused(f"cosigner {cosigner.id} has not signed", field="trust_root.signatures")
    return root


def _key_of(people: tuple[Person, ...], person_id: str, key_id: str) -> PublicKey | None:
    person = next((person for person in people if person.id == person_id), None)
    return find_key(person.keys, key_id) if person else None


def _list(found: Mapping[str, Any], key: str, field: str) -> list[Any]:
    return fields.array(found[key], field=f"{field}.{key}")


def _parse_people(found: Mapping[str, Any], key: str, field: str) -> tuple[Person, ...]:
    return tuple(parse_person(item, f"{field}.{key}") for item in _list(found, key, field))


def parse_person(value: object, field: str) -> Person:
    """Read a person as the root holds it. Raises ``InvalidInput``."""
    found = fields.exact_object(value, ("id", "keys", "credentials"), field=field)
    credentials = fields.array(found["credentials"], field=f"{field}.credentials", limit=20)
    return Person(
        id=fields.name(found["id"], field=f"{field}.id"),
        keys=_parse_keys(found["keys"], f"{field}.keys"),
        credentials=tuple(Credential.parse(item, field=f"{field}.credentials") for item in credentials),
    )


def _parse_keys(value: object, field: str) -> tuple[PublicKey, ...]:
    return tuple(PublicKey.parse(item, field=field) for item in fields.array(value, field=field, limit=20))


def _parse_previous(value: object, field: str) -> str | None:
    return None if value is None else fields.hexadecimal(value, field=field, length=32)


def _parse_cooling(value: object, field: str) -> dict[str, datetime]:
    if not isinstance(value, Mapping):
        raise InvalidInput("not an object", field=field)
    return {fields.text(key, field=field, limit=1_400): parse_rfc3339(at, field=field) for key, at in value.items()}


def _parse_prices(value: object, field: str) -> PriceRules:
    found = fields.exact_object(value, ("max_age_seconds", "deviation_bps"), field=field)
    return PriceRules(
        fields.whole_number(found["max_age_seconds"], field=f"{field}.max_age_seconds"),
        fields.whole_number(found["deviation_bps"], field=f"{field}.deviation_bps", high=10_000),
    )


def _parse_groups(value: object, field: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise InvalidInput("not an object", field=field)
    return {
        fields.name(group, field=field): tuple(
            fields.name(member, field=f"{field}.{group}") for member in fields.array(members, field=f"{field}.{group}")
        )
        for group, members in value.items()
    }


def _parse_asset(value: object, field: str) -> Asset:
    found = fields.exact_object(value, ("id", "code", "decimals", "chain"), field=field)
    return Asset(
        id=fields.name(found["id"], field=f"{field}.id"),
        code=fields.name(found["code"], field=f"{field}.code"),
        decimals=fields.whole_number(found["decimals"], field=f"{field}.decimals", high=77),
        chain=fields.name(found["chain"], field=f"{field}.chain"),
    )
