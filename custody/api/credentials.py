"""Who may call, as the callers' file says: a name, a role, one credential each, and what narrows it.

``{"callers": [{"name", "role", and one of "token_sha256" | "ed25519" | "hmac_secret_file", …}]}``. A key also has a
``key``, the name calls are signed under. ``scopes``, ``clients``, ``networks`` and ``calls_per_minute`` narrow what
the credential may do; without them it may what its role may. No scope lets anybody approve.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from custody.evidence import fields
from custody.evidence.calls import CallVerifier, SharedSecret, VerifyingKey, read_secret
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput

SETTING: Final = "CUSTODY_API_TOKENS_FILE"
FIELD: Final = f"{SETTING}.callers"
MOST_CALLS_PER_MINUTE: Final = 1_000_000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Role(StrEnum):
    """What a caller may do besides reading: ask for things, decide and replace, hand in signatures, or nothing.

    A service states prices and the like, and does not read.
    """

    REQUESTER = "requester"
    OPERATOR = "operator"
    COSIGNER = "cosigner"
    SERVICE = "service"
    READER = "reader"


class Scope(StrEnum):
    """What a credential that is narrowed may be for. There is none for approving."""

    READ = "read"
    ADDRESS = "address"
    WITHDRAW_REQUEST = "withdraw:request"
    WITHDRAW_CANCEL = "withdraw:cancel"
    WEBHOOK = "webhook"
    REPORT = "report"
    SANDBOX = "sandbox"


OF_ROLE: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.REQUESTER: frozenset(Scope),
    Role.OPERATOR: frozenset(Scope),
    Role.COSIGNER: frozenset({Scope.READ}),
    Role.SERVICE: frozenset(),
    Role.READER: frozenset({Scope.READ, Scope.REPORT}),
}
"""The scopes a role has where its credential names none, and the most it can name."""
BOUND: Final = (Role.REQUESTER, Role.READER)
"""Who can be bound to clients: the others speak for the whole house, or for themselves."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. A cosigner's ``name`` is its id in the keyset."""

    name: str
    role: Role
    scopes: frozenset[Scope] | None = None
    """``None``: whatever its role may."""
    clients: frozenset[str] | None = None
    """Whose money it may see and ask for; ``None``: everybody's."""
    networks: tuple[Network, ...] = ()
    """Where it may call from; empty: anywhere."""
    calls_per_minute: int | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it may less than its role: then a route that says nothing of it is closed."""
        return self.scopes is not None or self.clients is not None

    def has(self, scope: Scope | None) -> bool:
        """Whether it may what ``scope`` is for; ``None``: what no scope is for, so only a role opens it."""
        if scope is None or self.scopes is None:
            return self.scopes is None and (scope is None or scope in OF_ROLE[self.role])
        return scope in self.scopes

    def may_see(self, client: str | None) -> bool:
        """Whether what is ``client``'s, or the whole house's (``None``), is shown to it."""
        return self.clients is None or client in self.clients

    def may_call_from(self, address: str) -> bool:
        """Whether its networks hold ``address``; what is no address is in none."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return any((mapped or found) in network for network in self.networks)


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """How a caller is known: by its token's SHA-256, or by a key. Has no readable ``repr``: a secret may be in it."""

    caller: Caller
    token_sha256: bytes | None = None
    key: str | None = None
    verifier: CallVerifier | None = None


def read_credentials(text: str | bytes, *, folder: Path) -> list[Credential]:
    """Every caller of the file; secrets stand in files beside it, in ``folder``. Raises ``InvalidInput``."""
    found = fields.exact_object(parse_json(text, field=SETTING), ("callers",), field=SETTING)
    read = [_credential(item, folder) for item in fields.array(found["callers"], field=FIELD)]
    tokens = [each.token_sha256 for each in read if each.token_sha256 is not None]
    keys = [each.key for each in read if each.key is not None]
    if len({each.caller.name for each in read}) != len(read) or len(set(tokens)) != len(tokens):
        raise InvalidInput("two callers share a name or a token", field=FIELD)
    if len(set(keys)) != len(keys):
        raise InvalidInput("two callers share the name of a key", field=f"{FIELD}.key")
    return read


def expect_no_bearer_requester(credentials: list[Credential]) -> None:
    """Where money is real, who asks for payments signs its calls. Raises ``InvalidInput`` naming the caller."""
    for each in credentials:
        if each.token_sha256 is not None and each.caller.role == Role.REQUESTER:
            raise InvalidInput(
                f"{each.caller.name} asks for payments with a bearer token beside a mainnet; "
                "accepted are ed25519 and hmac_secret_file",
                field=f"{FIELD}.token_sha256",
            )


_WAYS: Final = ("token_sha256", "ed25519", "hmac_secret_file")
_MAY: Final = ("key", "scopes", "clients", "networks", "calls_per_minute")


def _credential(value: object, folder: Path) -> Credential:
    given = value if isinstance(value, Mapping) else {}
    ways = [way for way in _WAYS if way in given]
    if isinstance(value, Mapping) and len(ways) != 1:
        raise InvalidInput(f"{len(ways)} credentials; accepted is one of {', '.join(_WAYS)}", field=FIELD)
    found = fields.exact_object(value, ("name", "role", *ways, *(name for name in _MAY if name in given)), field=FIELD)
    caller = _caller(found)
    if "token_sha256" in found:
        if "key" in found:
            raise InvalidInput("a bearer token has none", field=f"{FIELD}.key")
        digest = fields.hexadecimal(found["token_sha256"], field=f"{FIELD}.token_sha256", length=32)
        return Credential(caller, token_sha256=bytes.fromhex(digest))
    if "key" not in found:
        raise InvalidInput("missing; accepted is the name calls are signed under", field=f"{FIELD}.key")
    key = fields.name(found["key"], field=f"{FIELD}.key")
    return Credential(caller, key=key, verifier=_verifier(found, key, folder))


def _verifier(found: Mapping[str, Any], key: str, folder: Path) -> CallVerifier:
    if "ed25519" in found:
        raw = bytes.fromhex(fields.hexadecimal(found["ed25519"], field=f"{FIELD}.ed25519", length=32))
        return VerifyingKey(Ed25519PublicKey.from_public_bytes(raw))
    field = f"{FIELD}.hmac_secret_file"
    path = folder / fields.text(found["hmac_secret_file"], field=field)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=field) from None
    return SharedSecret(key, read_secret(content, field=field))


def _caller(found: Mapping[str, Any]) -> Caller:
    role = Role(fields.one_of(found["role"], tuple(Role), field=f"{FIELD}.role"))
    clients = _clients(found["clients"], role) if "clients" in found else None
    limit = None
    if "calls_per_minute" in found:
        field = f"{FIELD}.calls_per_minute"
        limit = fields.whole_number(found["calls_per_minute"], field=field, low=1, high=MOST_CALLS_PER_MINUTE)
    return Caller(
        name=fields.name(found["name"], field=f"{FIELD}.name"),
        role=role,
        scopes=_scopes(found["scopes"], role) if "scopes" in found else None,
        clients=clients,
        networks=_networks(found.get("networks", [])),
        calls_per_minute=limit,
    )


def _scopes(value: object, role: Role) -> frozenset[Scope]:
    field = f"{FIELD}.scopes"
    accepted = tuple(scope for scope in Scope if scope in OF_ROLE[role])
    return frozenset(Scope(fields.one_of(each, accepted, field=field)) for each in fields.array(value, field=field))


def _clients(value: object, role: Role) -> frozenset[str]:
    field = f"{FIELD}.clients"
    if role not in BOUND:
        raise InvalidInput(f"a {role} is bound to no clients; accepted of {' or '.join(BOUND)}", field=field)
    return frozenset(fields.name(each, field=field) for each in fields.array(value, field=field))


def _networks(value: object) -> tuple[Network, ...]:
    field = f"{FIELD}.networks"
    return tuple(read_network(each, field=field) for each in fields.array(value, field=field, limit=100))


def read_network(value: object, *, field: str) -> Network:
    """A range of addresses in CIDR notation. Raises ``InvalidInput``."""
    try:
        return ipaddress.ip_network(fields.text(value, field=field))
    except ValueError:
        raise InvalidInput(
            "not a network; accepted is CIDR, such as 10.0.0.0/8 or 2001:db8::/32", field=field
        ) from None
