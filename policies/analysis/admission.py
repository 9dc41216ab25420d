"""Whether a document may be installed: valid, as its cases say, all its claims proved, and nothing found against it."""

from __future__ import annotations

from collections.abc import Iterable

from policies.analysis.findings import Finding, check
from policies.analysis.invariants import Claim, Invariants, read_invariants
from policies.analysis.prove import broken, is_empty, prove
from policies.cases import run_cases
from policies.document import Document, load_document
from policies.strict_yaml import PolicyError


def admit(text: str, cases_text: str, invariants_text: str, *, before: str | None = None) -> list[Finding]:
    """Everything found about a document with its cases and claims; it may be installed where nothing ``refuses``.

    ``before`` are the claims in force: each must still be claimed, at least as much of it, unless the new file names
    its title under ``given_up``. Raises ``Unsolved`` and ``Unconfirmed`` of the analysis, and no ``PolicyError``: what
    cannot be read is a finding.
    """
    try:
        document = load_document(text)
    except PolicyError as error:
        return [_unreadable("document", error)]
    found = list(_cases(text, cases_text))
    try:
        invariants = read_invariants(invariants_text, document)
    except PolicyError as error:
        return [*found, _unreadable("invariants", error), *check(document)]
    found += _broken(document, invariants)
    found += loosened(document, invariants, before) if before is not None else []
    return [*found, *check(document, decimals=invariants.decimals)]


def refusals(found: Iterable[Finding]) -> list[Finding]:
    """Those that keep a document from being installed."""
    return [finding for finding in found if finding.refuses]


def loosened(document: Document, invariants: Invariants, before: str) -> list[Finding]:
    """Claims of the file in force that the new one neither makes nor says it gives up."""
    try:
        earlier = read_invariants(before, document)
    except PolicyError as error:
        return [_unreadable("invariants in force", error)]
    return [
        Finding("invariant-loosened", claim.title, "no longer claimed, and not under given_up", refuses=True)
        for claim in earlier.claims
        if claim.title not in invariants.given_up and not _still(claim, invariants)
    ]


def _still(claim: Claim, invariants: Invariants) -> bool:
    return any(later.at_least(claim) for later in invariants.claims)


def _cases(text: str, cases_text: str) -> Iterable[Finding]:
    try:
        results = run_cases(text, cases_text)
    except PolicyError as error:
        yield _unreadable("cases", error)
        return
    for result in results:
        if not result.passed:
            yield Finding("case-fails", result.case.title, "; ".join(result.differences), refuses=True)


def _broken(document: Document, invariants: Invariants) -> Iterable[Finding]:
    for proof in broken(prove(document, invariants)):
        words = "it does not hold" if proof.witness else "nothing it is about can leave"
        yield Finding("invariant-broken", proof.claim.title, words, refuses=True, witness=proof.witness)
    for claim in invariants.claims:
        if is_empty(document, claim, invariants):
            yield Finding("empty-claim", claim.title, "no request there can be is meant", refuses=True)


def _unreadable(about: str, error: PolicyError) -> Finding:
    return Finding("unreadable", about, str(error), refuses=True)
