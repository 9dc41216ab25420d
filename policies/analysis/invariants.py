"""What must be true of every request under a document: a file of claims, in a small language of its own.

::

    invariants: demo                    # the document these are of
    assets: {BTC: 8}                    # decimals, for showing what breaks a claim
    groups: {risk: [dan, erin]}         # optional: who these people are, whatever the document says
    claims:
      - never: nothing leaves a vault with an open break
        match: {kind: withdrawal, vault.break: open}
      - takes: two people for what is large
        match: {kind: withdrawal, amount: {above: "1 BTC"}}
        people: 2                       # approvals, delay, roles, screening, reconciled: as a rule requires them
      - limits: no client gets more than that a day
        match: {kind: withdrawal, asset: BTC, destination: listed}
        limit: {per: client, window: 24h, amount: "5 BTC"}
      - unknown: an unknown price never helps
        match: {kind: withdrawal}
        fields: [usd, price, price.age]
      - alone: one operator stops everything
        match: {kind: freeze, requester.group: operators}
      - possible: the rules can change at all
        match: {kind: policy_change}

``never``, ``takes``, ``limits`` and ``unknown`` are about every request for which the match is not known to be false:
what is unknown is inside. ``alone`` (it leaves at once, and nobody else is asked) and ``possible`` (one of them leaves,
with whoever it takes) are about those for which it is known to be true.

``people`` counts distinct people who approve, never the one who asks. ``limits`` says that what leaves fits beside all
that was asked for in the window under the same key and the claim's own match. ``unknown`` compares requests: where one
leaves with some of the ``fields`` not known, or not to be trusted, the same one leaves whatever they are found to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from policies.document import Document
from policies.matches import Match, read_match
from policies.names import Members, Names
from policies.obligations import Obligations
from policies.rules import require
from policies.rules.permit import Limit, read_limit
from policies.strict_yaml import Item, PolicyError, listed, read_yaml
from policies.vocabulary import FIELDS_OF_KIND

FORMS: Final = ("never", "takes", "limits", "unknown", "alone", "possible")


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that must be true."""

    form: str
    """One of ``FORMS``."""
    title: str
    line: int
    match: Match
    takes: Obligations = field(default_factory=Obligations)
    """What nothing leaves without; of ``takes`` only."""
    people: int = 0
    """How many distinct people approve at least; of ``takes`` only."""
    limit: Limit | None = None
    """What all that leaves fits in; of ``limits`` only."""
    fields: tuple[str, ...] = ()
    """The facts that never help by being unknown; of ``unknown`` only."""

    def says(self) -> tuple[Any, ...]:
        """All it claims, without its place in the file."""
        return (self.form, self.match, self.takes, self.people, self.limit, self.fields)

    def at_least(self, other: Claim) -> bool:
        """Whether this claims all that ``other`` does, of the same requests."""
        if self.form != "takes" or other.form != "takes":
            return self.says() == other.says()
        same = self.match == other.match and self.people >= other.people
        return same and self.takes.join(other.takes) == self.takes


@dataclass(frozen=True, slots=True)
class Invariants:
    """A file of claims about one document."""

    policy: str
    claims: tuple[Claim, ...]
    decimals: Mapping[str, int]
    groups: Members
    """Who is in which group as claims count them; the document's own where the file says nothing."""
    given_up: tuple[str, ...]
    """Titles of earlier claims that this file gives up on purpose."""


def read_invariants(text: str, document: Document) -> Invariants:
    """Read claims about ``document``. Raises ``PolicyError`` with the line, the field and what is accepted."""
    top = read_yaml(text, what="invariants").mapping(_TOP, required={"invariants", "claims"})
    if top["invariants"].text() != document.name:
        top["invariants"].refuse("invariants of another document", accepted=document.name)
    assets = top["assets"].mapping() if "assets" in top else {}
    groups = top["groups"].mapping() if "groups" in top else {}
    own = {name: frozenset(entry.text() for entry in item.items()) for name, item in groups.items()}
    names = Names({**document.groups, **own}, document.roles, document.client_groups)
    given_up = top["given_up"].items() if "given_up" in top else []
    return Invariants(
        policy=document.name,
        claims=_without_twins([_read_claim(item, names) for item in top["claims"].items()]),
        decimals={code: item.number(most=36) for code, item in assets.items()},
        groups=names.groups,
        given_up=tuple(item.text() for item in given_up),
    )


_TOP: Final = frozenset({"invariants", "assets", "groups", "claims", "given_up"})
_TAKEN: Final = frozenset({"approvals", "delay", "roles", "screening", "reconciled"})
_NAMES: Final = {
    "never": frozenset({"never", "match"}),
    "takes": frozenset({"takes", "match", "people"}) | _TAKEN,
    "limits": frozenset({"limits", "match", "limit"}),
    "unknown": frozenset({"unknown", "match", "fields"}),
    "alone": frozenset({"alone", "match"}),
    "possible": frozenset({"possible", "match"}),
}
_ALSO_NEEDED: Final = {"limits": ("limit",), "unknown": ("fields",)}
_MAY_BE_UNKNOWN: Final = frozenset().union(*FIELDS_OF_KIND.values()) - {
    *("kind", "requester", "requester.group", "client.group", "time")
}


def _read_claim(item: Item, names: Names) -> Claim:
    entries = item.mapping()
    forms = [form for form in FORMS if form in entries]
    if len(forms) != 1:
        item.refuse("not exactly one form of claim", accepted=f"one of {listed(FORMS)} with the claim's title")
    form = forms[0]
    entries = item.mapping(_NAMES[form], required=("match", *_ALSO_NEEDED.get(form, ())))
    return Claim(
        form=form,
        title=entries[form].text(),
        line=item.line,
        match=_read_claim_match(entries["match"], names),
        takes=_read_takes(entries, names) if form == "takes" else Obligations(),
        people=entries["people"].number(most=require.MAX_APPROVALS) if "people" in entries else 0,
        limit=read_limit(entries["limit"]) if form == "limits" else None,
        fields=_read_fields(entries["fields"]) if form == "unknown" else (),
    )


def _read_claim_match(item: Item, names: Names) -> Match:
    match = read_match(item, names)
    if match.totals:
        item.refuse("a total in a claim", accepted="conditions on the request alone")
    return match


def _read_takes(entries: dict[str, Item], names: Names) -> Obligations:
    if not {"people", *_TAKEN} & entries.keys():
        entries["takes"].refuse("it takes nothing", accepted=f"people, {listed(_TAKEN)} or several of them")
    return require.read_obligations(entries, names)


def _read_fields(item: Item) -> tuple[str, ...]:
    return tuple(sorted({entry.one_of(_MAY_BE_UNKNOWN) for entry in item.one_or_more()}))


def _without_twins(claims: list[Claim]) -> tuple[Claim, ...]:
    seen: set[str] = set()
    for claim in claims:
        if claim.title in seen:
            raise PolicyError(
                "a second claim of this title", field="claims", line=claim.line, accepted="a title of its own"
            )
        seen.add(claim.title)
    return tuple(claims)
