"""What one document lets out that another does not, per kind of request, each with a request the engine confirms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.analysis.alphabet import alphabet_of
from policies.analysis.logic import Formula, every, negated
from policies.analysis.models import ordinary, witness_of
from policies.analysis.passage import Reading
from policies.analysis.search import Space
from policies.analysis.witness import Unconfirmed, Witness
from policies.document import Document
from policies.vocabulary import KINDS


class Relation(StrEnum):
    """How a document stands to an earlier one."""

    EQUIVALENT = "equivalent"
    MORE = "more permissive"
    LESS = "less permissive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True)
class Difference:
    """How two documents differ about one kind of request."""

    kind: str
    relation: Relation
    let_out: Witness | None
    """What only the second lets out."""
    kept_in: Witness | None
    """What only the first lets out."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        shown = {"only_second_lets_out": self.let_out, "only_first_lets_out": self.kept_in}
        found = {name: witness.to_json() for name, witness in shown.items() if witness}
        return {"kind": self.kind, "relation": self.relation.value, **found}

    def words(self) -> list[str]:
        """For a person: the relation, and a request for each direction."""
        lines = [f"{self.kind}: {self.relation.value}"]
        lines += [f"  now leaves: {self.let_out.words()}"] if self.let_out else []
        return lines + ([f"  no longer leaves: {self.kept_in.words()}"] if self.kept_in else [])


def differences(first: Document, second: Document, *, decimals: Mapping[str, int] | None = None) -> list[Difference]:
    """How ``second`` stands to ``first``, for every kind. Raises ``Unconfirmed`` and ``Unsolved``."""
    return [difference(first, second, kind, decimals=decimals or {}) for kind in sorted(KINDS)]


def difference(first: Document, second: Document, kind: str, *, decimals: Mapping[str, int]) -> Difference:
    """How ``second`` stands to ``first`` about one kind. Raises ``Unconfirmed`` and ``Unsolved``."""
    if _same(first, second, kind):
        return Difference(kind, Relation.EQUIVALENT, None, None)
    kept_in = _only(first, second, kind, decimals)
    let_out = _only(second, first, kind, decimals)
    relation = {
        (False, False): Relation.EQUIVALENT,
        (True, False): Relation.MORE,
        (False, True): Relation.LESS,
        (True, True): Relation.INCOMPARABLE,
    }[let_out is not None, kept_in is not None]
    return Difference(kind, relation, let_out, kept_in)


def _same(first: Document, second: Document, kind: str) -> bool:
    """Nothing to solve: the same rules about this kind, read by the same people."""
    about = [[rule for rule in document.rules if kind in rule.match.kinds] for document in (first, second)]
    return about[0] == about[1] and first.groups == second.groups and first.roles == second.roles


def _only(lets: Document, keeps: Document, kind: str, decimals: Mapping[str, int]) -> Witness | None:
    """A request that leaves under ``lets`` and, with the same people and wait, not under ``keeps``."""
    space = Space(alphabet_of([lets, keeps]), kind)
    wanted: list[Formula] = [
        Reading(lets, space.request, space.counts).leaves(space.crowd),
        negated(Reading(keeps, space.request, space.counts).leaves(space.crowd)),
    ]
    model = space.find(every(wanted), ordinary(space, decimals))
    if model is None:
        return None
    witness = witness_of(model, space, [lets.rules, keeps.rules], decimals)
    if not witness.leaves(lets, 0) or witness.leaves(keeps, 1):
        raise Unconfirmed(f"the engine sees no difference about {kind} in what was found", field="document")
    return witness
