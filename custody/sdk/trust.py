"""What the house says of itself, proved: from the version of the trust root pinned here to the newest, and by it.

The pin is a hash that a person compared. The documents come from the house and count only as far as they are proved:
by the ceremony's signatures, by the agreement of the people of the version before, and by the requester's own
signature. A house that is taken over can withhold them; it cannot make others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from custody.chains.deriving import chain_name, deposit_address, native_asset
from custody.evidence.agreement import hear, shortfall
from custody.evidence.approvals import CLOCK_SKEW
from custody.evidence.check import check_author
from custody.evidence.keysets import Keyset
from custody.evidence.places import VaultName
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import ClientOpeningRequest
from custody.evidence.succession import RootLink, Step, walk
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot, check_first, check_unexpired
from custody.kernel.clock import rfc3339
from custody.kernel.errors import CustodyError, InvalidInput
from custody.kernel.money import Asset
from custody.sdk.errors import AddressNotOurs, NotProven
from custody.sdk.memory import RootSeen
from policies.document import Document, PolicyError, document_hash, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used


@dataclass(frozen=True, slots=True)
class Version:
    """One proved version of the trust root, with its policy where the house gave the right text."""

    root: TrustRoot
    policy: Document | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Every version that is proved, oldest first: the pinned one, those it came from, and those that followed."""

    versions: tuple[Version, ...]

    @property
    def newest(self) -> TrustRoot:
        """The version that counts."""
        return self.versions[-1].root

    @property
    def seen(self) -> RootSeen:
        """The version that counts, as it is remembered."""
        return RootSeen(self.newest.version, self.newest.hash)

    def keyset(self, name: str) -> Keyset | None:
        """The keyset of that name; one that was left is still in the version that knew it."""
        found = (version.root.keyset(name) for version in reversed(self.versions))
        return next((keyset for keyset in found if keyset is not None), None)

    def asset(self, name: str) -> Asset:
        """The asset of this CAIP-19 id or, where one chain alone has it, short code. Raises ``InvalidInput``.

        Its decimals are the trust root's, never the house's word: they decide how much is paid.
        """
        known = {asset.id: asset for asset in (*self._natives(), *self.newest.assets)}
        found = [asset for asset in known.values() if name in (asset.id, asset.code)]
        if len(found) != 1:
            accepted = ", ".join(sorted({asset.code for asset in known.values()} | set(known)))
            raise InvalidInput(f"{len(found)} assets of that name; accepted is one of {accepted}", field="asset")
        return found[0]

    def native(self, chain: str) -> Asset:
        """What fees are paid in on ``chain``."""
        return native_asset(chain)

    def _natives(self) -> list[Asset]:
        return [self.native(chain) for chain in dict.fromkeys(keyset.chain for keyset in self.newest.keysets)]


def read_trust(document: Mapping[str, Any], *, pin: str, now: datetime, seen: RootSeen | None = None) -> Trust:
    """Prove the trust root in force from the one whose hash is ``pin``; what was ``seen`` before must be among it.

    Raises ``NotProven``, also for a version that is shown before its delay is over.
    """
    try:
        first = SignedTrustRoot.parse(document.get("trust_root"))
        links = tuple(RootLink.parse(each, field="succession") for each in document.get("succession", ()))
        policy = str(document.get("policy", ""))
        roots = [first.root, *(link.root for link in links)]
        here = next((place for place, root in enumerate(roots) if root.hash == pin), None)
        if here is None:
            raise NotProven("the house's trust root is not the one pinned here, nor follows from it")
        if roots[here].version == 1:
            check_first(first)
        steps = list(walk(roots[here], links, newest_policy=policy, now=now))
        _expect_delays_over(steps, now)
        proved = {pin, *(step.root.hash for step in steps)}
        check_unexpired(roots[-1], now=now)
    except CustodyError as error:
        raise NotProven(f"the trust root is not proved: {error}") from error
    texts = [*(link.policy for link in links), policy]
    known = proved | _ancestors(roots[: here + 1])
    if seen is not None and seen.hash not in known:
        raise NotProven(f"version {roots[-1].version} is shown of the trust root, and another {seen.version} was seen")
    found = [Version(root, _policy(text, root)) for root, text in zip(roots, texts, strict=True) if root.hash in known]
    return Trust(tuple(found))


def own_opening(
    proven: Sequence[ProvenIntent], *, client: str, vault: VaultName, requester: str, trust: Trust, now: datetime
) -> ClientOpeningRequest:
    """The opening by which ``requester`` had this vault opened for this client, as people agreed to it.

    Raises ``AddressNotOurs`` where none proves it.
    """
    problem = "no opening is shown that gives it"
    for each in proven:
        request = each.intent.request
        if not isinstance(request, ClientOpeningRequest) or (request.client, each.intent.vault) != (client, vault):
            continue
        if (request.keyset, request.branch, request.requester) != (vault.keyset, vault.branch, requester):
            continue
        for version in reversed(trust.versions):
            found = _why_not(each, request, version, now)
            if found is None:
                return request
            problem = found
    raise AddressNotOurs(f"vault {vault} is not client {client}'s: {problem}")


def derive(keyset: Keyset, *, client: str, branch: int, index: int) -> str:
    """The deposit address of this place, from the keyset's keys alone. Raises ``AddressNotOurs``."""
    try:
        return deposit_address(keyset, client=client, branch=branch, index=index)
    except CustodyError as error:
        raise AddressNotOurs(f"cannot be derived: {error}") from error


def names_of(keyset: Keyset) -> tuple[str, str]:
    """What the keyset's chain may be asked for as: CAIP-2 id and short name."""
    return keyset.chain, chain_name(keyset.chain)


def _expect_delays_over(steps: Iterable[Step], now: datetime) -> None:
    """Each version has waited for as long as the policy before it says, since the moment it states itself.

    The house counts from when it was asked for, which is later. Raises ``NotProven``.
    """
    for step in steps:
        made = step.root.created_at
        due = made + timedelta(seconds=step.waits(seen=made))
        if due > now + CLOCK_SKEW:
            raise NotProven(
                f"version {step.root.version} of the trust root is shown before its delay is over: {rfc3339(due)}"
            )


def _ancestors(upto: Sequence[TrustRoot]) -> set[str]:
    """Hashes of those before the last of ``upto`` which it names, its predecessor names, and so on."""
    found = set[str]()
    wanted = upto[-1].previous
    for root in reversed(upto[:-1]):
        if root.hash != wanted:
            break
        found.add(root.hash)
        wanted = root.previous
    return found


def _why_not(proven: ProvenIntent, request: ClientOpeningRequest, version: Version, now: datetime) -> str | None:
    """Why this version of the rules does not have the opening agreed to; ``None`` where it does."""
    keyset = version.root.keyset(request.keyset)
    if keyset is None or version.policy is None:
        return "the trust root that knows its keyset is not shown with its policy"
    try:
        check_author(request, proven.request_signature, root=version.root, now=now)
        heard = hear(proven, root=version.root, now=now)
    except CustodyError as error:
        return str(error)
    facts = Facts(
        kind=request.kind,
        requester=request.requester,
        client=request.client,
        segregation=request.segregation,
        chain=keyset.chain,
        now=now,
    )
    decision = evaluate(version.policy, facts, nothing_used)
    short = shortfall(decision, version.policy, version.root, heard, requester=request.requester)
    return None if short is None else short[1]


def _policy(text: str, root: TrustRoot) -> Document | None:
    if document_hash(text) != root.policy_hash:
        return None
    try:
        return load_document(text)
    except PolicyError:
        return None
