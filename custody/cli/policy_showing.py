"""What the commands about policy documents print, and the files and moments they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.cli.inputs import file_text
from custody.cli.showing import Format, is_for_people, show, show_whole, table
from custody.kernel.clock import parse_rfc3339
from custody.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from policies.analysis.difference import Difference
    from policies.analysis.findings import Finding
    from policies.analysis.prove import Proof
    from policies.document import Document
    from policies.simulation import Replayed, Simulated


def file_beside(document: str, folder: str, named: str) -> str:
    """The file that was named, or the one of the same name in the folder beside the document's; empty without it."""
    if named:
        return named
    beside = Path(document).parent.parent / folder / Path(document).name
    return str(beside) if beside.is_file() else ""


def decimals_beside(file: str, document: Document) -> dict[str, int]:
    """Decimals of assets from the claims beside a document, for showing amounts; none where there are no claims."""
    from policies.analysis.invariants import read_invariants

    claims = file_beside(file, "invariants", "")
    return dict(read_invariants(file_text(claims), document).decimals) if claims else {}


def moment(text: str, *, field: str) -> datetime:
    """Read a day (its first moment in UTC) or a moment. Raises ``InvalidInput``."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return parse_rfc3339(text, field=field)
    if len(text) != len("2026-11-01"):
        raise InvalidInput("not a day; accepted is 2026-11-01 or a UTC time", field=field)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def with_progress(requests: Iterable[Replayed], number: int) -> Iterable[Replayed]:
    """Pass ``requests`` on, with a bar on standard error that says how many are left."""
    from custody.cli.progress import watched

    return watched(requests, number, doing="replaying")


def show_findings(found: Sequence[Finding], *, has_cases: bool, has_claims: bool) -> None:
    """What was found, what refuses first."""
    for finding in sorted(found, key=lambda one: not one.refuses):
        print(finding.line())
    for is_there, what in ((has_cases, "table of cases"), (has_claims, "file of claims")):
        if not is_there:
            print(f"note  no {what} beside it: the document can be read, not installed")


def show_proofs(proofs: Sequence[Proof], chosen: Format) -> None:
    """Each claim, and what breaks it."""
    if not is_for_people(chosen):
        show([proof.to_json() for proof in proofs], (), chosen)
        return
    for proof in proofs:
        print("\n".join(proof.words()))
    print(f"{sum(proof.holds for proof in proofs)} of {len(proofs)} claims are proved over all requests")


def show_differences(found: Sequence[Difference], chosen: Format) -> None:
    """Each kind of request, and a request for each direction in which the documents differ."""
    if not is_for_people(chosen):
        show([one.to_json() for one in found], (), chosen)
        return
    for one in found:
        print("\n".join(one.words()))


def show_simulated(found: Simulated, chosen: Format) -> None:
    """What would have changed, by kind, and the work of each group."""
    told = found.to_json()
    show_whole(told, chosen, lambda: _print_simulated(found, told))


def _print_simulated(found: Simulated, told: Mapping[str, Any]) -> None:
    print(f"{found.requests} requests")
    print(table(told["by_kind"], ("kind", "change", "requests")))
    if told["work"]:
        print("\napprovals asked of each group or role; an hour: of each of its members")
        hourly = ("before_an_hour=before_per_operator_hour", "after_an_hour=after_per_operator_hour")
        print(table(told["work"], ("who", "before", "after", *hourly)))
    for change, references in told["examples"].items():
        print(f"\n{change}, for example: {' '.join(references)}")
