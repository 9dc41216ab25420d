"""What the attacker starts from: a good bundle on each chain, and who judges what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal
from custody.cosigner.verify import Verdict
from custody.evidence.approvals import Statement
from custody.evidence.bundle import Bundle, Payment
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import BTC, NOW, World
from tests.cosigner.safe_builders import ETHER, SafeWorld
from tests.support.lists import COOLING, LISTED_ONLY, listing, proved
from tests.support.passkeys import Passkey, PasskeyWorld
from tests.support.versions import Versions
from tests.takeover.mutations import Mutation, mutations
from tests.takeover.spends import closed, opened

OF_A_ROOT = frozenset(
    f"succession[].root.{part}" for part in ("keysets", "assets", "requesters", "services", "groups", "prices")
)
"""Changed whole: one hash holds every version of the root, and version 1 is changed field by field."""
MALFORMED = "malformed"
"""For what is no bundle at all: the reading names the field."""


@dataclass(frozen=True)
class Stage:
    """One chain's good bundle, its judge and what the judge said of it unharmed."""

    world: World
    bundle: Bundle
    memory: Memory
    verdict: Verdict
    parts: tuple[str, ...] = ()
    """What of the bundle is changed here; all of it where nothing is named."""

    @classmethod
    def of(cls, world: World, bundle: Bundle, memory: Memory, *, parts: tuple[str, ...] = ()) -> Stage:
        """The bundle is good, or nothing after it would mean anything."""
        return cls(world, bundle, memory, world.judge(bundle, memory), parts)

    def answer(self, document: Any) -> str | Verdict:
        """The reason of a refusal, or the verdict that would be signed."""
        try:
            return self.world.judge(Bundle.parse(document), self.memory)
        except CosignerRefusal as refusal:
            assert refusal.explanation
            return refusal.reason.value
        except InvalidInput as error:
            assert error.field, "what is malformed is named"
            return MALFORMED

    def does_no_more(self, verdict: Verdict) -> bool:
        """Whether a yes to a changed bundle pays whom the good one pays and nobody else, out of the same vault.

        The daemon may choose coins, a turn, the order of outputs and a fee under the ceiling; that is its work.
        """
        good, found = self.verdict, verdict
        ceiling = sum(payment.max_fee for payment in good.payments)
        back = self._back
        paid = {(to, units) for to, units in good.effect.outputs if to not in back}
        return (
            [payment.intent for payment in found.payments] == [payment.intent for payment in good.payments]
            and sorted(to for to, _ in found.effect.outputs) == sorted(to for to, _ in good.effect.outputs)
            and paid <= set(found.effect.outputs)
            and found.effect.fee_units <= ceiling
        )

    @property
    def _back(self) -> set[str]:
        """Where the good spend brings coins back to their own vault: what no intent pays."""
        asked = {payment.request.amount for payment in self.verdict.payments if payment.destination is not None}
        return {to for to, units in self.verdict.effect.outputs if units not in asked}

    def evidence(self) -> Iterator[Mutation]:
        """Every kind of change of the bundle as it is sent, at two places at most."""
        seen = Counter[str]()
        for found in mutations(self.bundle.to_json(), opaque=OF_A_ROOT):
            seen[found.kind] += 1
            if seen[found.kind] <= 2 and (not self.parts or found.kind.startswith(self.parts)):
                yield found

    def spends(self) -> Iterator[Mutation]:
        """Every change of what is to be signed, under evidence that is left alone."""
        for found in mutations(opened(self.bundle.unsigned, self.bundle.chain)):
            text = closed(found.document, self.bundle.chain)
            if text is not None and text != self.bundle.unsigned:
                document = replace(self.bundle, unsigned=text).to_json()
                yield Mutation(f"unsigned: {found.kind}", found.path, document)


def bitcoin(memory: Memory) -> Stage:
    """Half a bitcoin, which two operators approved."""
    world = World()
    return Stage.of(world, world.large(), memory)


def ether(memory: Memory) -> Stage:
    """Six ether by a Safe, which two operators approved."""
    world = SafeWorld()
    return Stage.of(world, world.ether(6 * ETHER, approvers=("alice", "bob")), memory)


def grown(memory: Memory) -> Stage:
    """Half a bitcoin to a listed destination, under version 2 of the root, which an operator and a passkey approved.

    The version and one of the listings were asked for by passkey.
    """
    world = PasskeyWorld(policy=LISTED_ONLY)
    root = replace(world.root, cooling_seconds=int(COOLING.total_seconds()))
    vars(world).update(root=root)
    alice = Passkey("alice")
    versions = Versions.of(world).then(policy=f"{LISTED_ONLY}# as it was\n", now=NOW - timedelta(days=1))
    (link,) = versions.links
    versions = replace(versions, links=(replace(link, proven=alice.asks_for(link.proven)),))
    request = world.withdrawal("acme", BTC // 2)
    proven = world.prove(request, branch=7, approvers=("alice",))
    by_passkey = Passkey("bob").approval(
        Statement(proven.intent.digest, "approve", "bob", "5e" * 16, NOW, NOW + timedelta(days=1))
    )
    proven = replace(proven, approvals=(*proven.approvals, by_passkey))
    newest = replace(world, policy=versions.policy)
    payment = Payment(proven, newest.decision(request, destination="listed"))
    psbt = world.transaction([payment], [world.coin(7, BTC)], fee_sat=3_000)
    by_alice = alice.asks_for(proved(listing("bolt", requester="alice"), approvers=("bob",)))
    listings = (proved(listing()), by_alice)
    bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, listings=listings)
    parts = ("payments[].approvals", "succession", "listings", "status")
    return Stage.of(world, versions.carry(bundle), memory, parts=parts)
