"""Proving claims of a document over all requests; each that fails comes with a request the engine confirms."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from policies.analysis.alphabet import Alphabet, alphabet_of, fact_of
from policies.analysis.encoding import limit_truth, match_truth
from policies.analysis.invariants import Claim, Invariants
from policies.analysis.logic import Formula, Number, differ, every, implies, negated
from policies.analysis.models import ordinary, witness_of
from policies.analysis.passage import Asked, Reading, met_by
from policies.analysis.request import ASKED, Request
from policies.analysis.search import Space
from policies.analysis.witness import Unconfirmed, Witness
from policies.document import Document
from policies.names import Members
from policies.obligations import Obligations, outstanding
from policies.rules.permit import Permit
from policies.tally import satisfied
from policies.vocabulary import NEVER_PERMITTED


@dataclass(frozen=True, slots=True)
class Proof:
    """How one claim came out."""

    claim: Claim
    holds: bool
    seconds: str
    """How long it took, to the millisecond."""
    witness: Witness | None
    """What breaks it; of a ``possible`` that holds, a request that leaves."""
    known: Witness | None = None
    """Of ``unknown``: the same request with the facts known, which does not leave."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        shown = {"witness": self.witness, "known": self.known}
        found = {name: witness.to_json() for name, witness in shown.items() if witness}
        return {"claim": self.claim.title, "form": self.claim.form, "holds": self.holds, **found}

    def words(self) -> list[str]:
        """For a person: the claim, and what breaks it."""
        lines = [f"{'proved' if self.holds else 'BROKEN'} {self.claim.title} ({self.seconds} s)"]
        if self.witness and not self.holds:
            lines.append(f"  this {'waits' if self.claim.form == 'alone' else 'leaves'}: {self.witness.words()}")
        if self.known:
            lines.append(f"  though this does not: {self.known.words()}")
        if self.claim.form == "possible" and not self.holds:
            lines.append("  nothing it is about can leave, whoever agrees")
        return lines


def prove(document: Document, invariants: Invariants) -> list[Proof]:
    """Prove every claim. Raises ``Unconfirmed`` where solver and engine disagree, ``Unsolved`` where it gives up."""
    return [prove_claim(document, claim, invariants) for claim in invariants.claims]


def prove_claim(document: Document, claim: Claim, invariants: Invariants) -> Proof:
    """Prove one claim over every kind of request it is about."""
    began = time.monotonic_ns()
    alphabet = _alphabet(document, claim, invariants)
    found: Proof | None = None
    for kind in sorted(claim.match.kinds):
        found = _FORMS[claim.form](document, claim, invariants, Space(alphabet, kind))
        if found is not None:
            break
    milliseconds = (time.monotonic_ns() - began) // 1_000_000
    result = found or Proof(claim, claim.form != "possible", "", None)
    return replace(result, seconds=f"{milliseconds // 1000}.{milliseconds % 1000:03d}")


def _break(document: Document, claim: Claim, invariants: Invariants, space: Space) -> Proof | None:
    """A request the claim is about that leaves with less than the claim takes; of ``never``, at all."""
    truth = match_truth(claim.match, space.request, space.counts)
    leaves = Reading(document, space.request, space.counts).leaves(space.crowd)
    enough = _taken(claim, invariants.groups, document.roles, space)
    witness = _found(space, every([truth.not_no, leaves, negated(enough)]), document, invariants.decimals)
    if witness is None:
        return None
    if not witness.leaves(document) or _kept(claim, document, invariants.groups, witness):
        raise Unconfirmed(f"the engine does not see what breaks “{claim.title}”", field="invariants")
    return Proof(claim, holds=False, seconds="", witness=witness)


def _possible(document: Document, claim: Claim, invariants: Invariants, space: Space) -> Proof | None:
    truth = match_truth(claim.match, space.request, space.counts)
    leaves = Reading(document, space.request, space.counts).leaves(space.crowd)
    witness = _found(space, every([truth.yes, leaves]), document, invariants.decimals)
    if witness is None:
        return None
    if not witness.leaves(document) or claim.match.holds(witness.facts) is not True:
        raise Unconfirmed(f"the engine does not let out what makes “{claim.title}” possible", field="invariants")
    return Proof(claim, holds=True, seconds="", witness=witness)


def _over_limit(document: Document, claim: Claim, invariants: Invariants, space: Space) -> Proof | None:
    """A request that leaves though it does not fit beside what was asked for under the claim's match."""
    assert claim.limit is not None
    permit = Permit(claim.title, claim.match, claim.limit)
    truth = match_truth(claim.match, space.request, space.counts)
    leaves = Reading(document, space.request, space.counts).leaves(space.crowd)
    fits = limit_truth(permit, space.request, space.counts)
    wanted = every([truth.not_no, leaves, negated(fits.yes)])
    model = space.find(wanted, ordinary(space, invariants.decimals))
    if model is None:
        return None
    witness = witness_of(model, space, [document.rules, [permit]], invariants.decimals)
    used = witness.usage[1][claim.title, claim.limit.per, claim.limit.window_seconds]
    keyed = claim.limit.key_of(witness.facts) is not None
    if not witness.leaves(document) or (keyed and claim.limit.admits(witness.facts, used)):
        raise Unconfirmed(f"the engine does not see what breaks “{claim.title}”", field="invariants")
    return Proof(claim, holds=False, seconds="", witness=witness)


def _not_alone(document: Document, claim: Claim, invariants: Invariants, space: Space) -> Proof | None:
    """A request the claim is about that does not leave at once with nobody's approval."""
    truth = match_truth(claim.match, space.request, space.counts)
    leaves = Reading(document, space.request, space.counts).leaves(space.crowd)
    nobody = [negated(said) for said in space.crowd.approves.values()]
    witness = _found(
        space, every([truth.yes, *nobody, space.crowd.waited == 0, negated(leaves)]), document, invariants.decimals
    )
    if witness is None:
        return None
    if witness.leaves(document) or witness.approvers or claim.match.holds(witness.facts) is not True:
        raise Unconfirmed(f"the engine does not see what breaks “{claim.title}”", field="invariants")
    return Proof(claim, holds=False, seconds="", witness=witness)


def _unknown_helps(document: Document, claim: Claim, invariants: Invariants, space: Space) -> Proof | None:
    """A request that leaves while some of the facts are not to be trusted, and would not if they were known."""
    facts = {fact for field in claim.fields for fact in _FACTS.get(field, (fact_of(field),))}
    twin = Request(space.context, space.alphabet, space.request.kind, like=space.request, apart=facts)
    truth = match_truth(claim.match, space.request, space.counts)
    leaves = Reading(document, space.request, space.counts).leaves(space.crowd)
    other = Reading(document, twin, space.counts).leaves(space.crowd)
    found_out = [formula for field in claim.fields for formula in _found_out(field, space.request, twin)]
    wanted = every([truth.not_no, leaves, *found_out, negated(other), twin.within()])
    model = space.find(wanted, ordinary(space, invariants.decimals))
    if model is None:
        return None
    witness = witness_of(model, space, [document.rules], invariants.decimals)
    known = witness_of(model, space, [document.rules], invariants.decimals, twin)
    if not witness.leaves(document) or known.leaves(document):
        raise Unconfirmed(f"the engine does not see what breaks “{claim.title}”", field="invariants")
    return Proof(claim, holds=False, seconds="", witness=witness, known=known)


_FORMS: Final = {
    "never": _break,
    "takes": _break,
    "limits": _over_limit,
    "unknown": _unknown_helps,
    "alone": _not_alone,
    "possible": _possible,
}
_FACTS: Final = {"usd": ("usd", ASKED)}
"""Fields that read more than one fact."""


def _found_out(field: str, request: Request, twin: Request) -> Iterable[Formula]:
    """The twin knows the fact, and has it from the request where that one could be trusted."""
    trusted = _trusted(request, field)
    yield _trusted(twin, field)
    for fact in _FACTS.get(field, (fact_of(field),)):
        mine, theirs = request.symbol(fact), twin.symbol(fact)
        same_known = negated(differ(mine.known, theirs.known))
        yield implies(trusted, every([same_known, mine.value == theirs.value]))


def _trusted(request: Request, field: str) -> Formula:
    """A fact that is known, and is no word for not knowing."""
    symbol, words = request.symbol(fact_of(field)), NEVER_PERMITTED.get(field, frozenset())
    return every([symbol.known, negated(request.is_among(field, words)) if words else True])


def _taken(claim: Claim, groups: Members, roles: Members, space: Space) -> Formula:
    """Those who count, the wait and the facts are at least what the claim takes; of ``never`` nothing is."""
    if claim.form == "never":
        return False
    asked = _asked(claim.takes)
    people = space.crowd.enough(space.alphabet.people, claim.people)
    return every([met_by(space.crowd, asked, groups, roles, space.request), people])


def _asked(takes: Obligations) -> Asked:
    places: Mapping[str, Number] = dict(takes.approvals)
    reconciled = () if takes.reconciled_seconds is None else ((True, takes.reconciled_seconds),)
    return Asked(places, takes.delay_seconds, dict.fromkeys(takes.roles, True), takes.screening, reconciled)


def _alphabet(document: Document, claim: Claim, invariants: Invariants) -> Alphabet:
    limits = [] if claim.limit is None else [claim.limit]
    return alphabet_of([document], [claim.match], [invariants.groups], limits)


def _kept(claim: Claim, document: Document, groups: Members, witness: Witness) -> bool:
    """Whether a request that leaves keeps to the claim, found without any formula."""
    if claim.match.holds(witness.facts) is False:
        return True
    if claim.form == "never":
        return False
    takes, requester = claim.takes, witness.facts.requester
    people = set(witness.approvers) - {requester}
    tally = satisfied(takes, groups, people, initiator=requester, roles=document.roles)
    waited = witness.waited_seconds >= takes.delay_seconds
    return tally.met and len(people) >= claim.people and waited and not outstanding(takes, witness.facts)


def _found(space: Space, wanted: Formula, document: Document, decimals: Mapping[str, int]) -> Witness | None:
    model = space.find(wanted, ordinary(space, decimals))
    return None if model is None else witness_of(model, space, [document.rules], decimals)


def is_empty(document: Document, claim: Claim, invariants: Invariants) -> bool:
    """Whether no request there can be is one the claim is about, so that it says nothing."""
    alphabet = _alphabet(document, claim, invariants)
    for kind in claim.match.kinds:
        space = Space(alphabet, kind)
        if space.find(match_truth(claim.match, space.request, space.counts).yes) is not None:
            return False
    return True


def broken(proofs: Iterable[Proof]) -> list[Proof]:
    """Those that do not hold."""
    return [proof for proof in proofs if not proof.holds]


__all__ = ["Proof", "broken", "is_empty", "prove", "prove_claim"]
