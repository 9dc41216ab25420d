"""``policy check``, ``test``, ``explain``, ``prove``, ``diff`` and ``simulate``: a document, its cases and its claims.

All but ``simulate`` ask nobody: a document can be judged before there is a house.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custody.cli.exits import DONE, REFUSED, resumable
from custody.cli.inputs import file_json, file_text
from custody.cli.policy_showing import (
    decimals_beside,
    file_beside,
    moment,
    show_differences,
    show_findings,
    show_proofs,
    show_simulated,
    with_progress,
)
from custody.cli.showing import Format, FormatOption, show_fields, show_whole

if TYPE_CHECKING:
    from policies.facts import Facts, Usage

app = typer.Typer(help="Policy documents.", no_args_is_help=True)

CasesOption = Annotated[str, typer.Option("--cases", help="Table of cases; by default the one beside it.")]
ClaimsOption = Annotated[str, typer.Option("--invariants", help="File of claims; by default the one beside it.")]


@app.command("check")
def policy_check(
    file: str,
    cases: CasesOption = "",
    invariants: ClaimsOption = "",
    before: Annotated[str, typer.Option("--before", help="File of claims in force, which must not be loosened.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say what is found about a document, its cases and its claims, over all requests. Exit 1 when it is refused.

    custody policy check policies/documents/demo.yaml
    """
    from policies.analysis.admission import admit, refusals
    from policies.analysis.findings import check
    from policies.document import load_document

    text = file_text(file)
    document = load_document(text)
    table, claims = file_beside(file, "cases", cases), file_beside(file, "invariants", invariants)
    if table and claims:
        earlier = file_text(before) if before else None
        found = admit(text, file_text(table), file_text(claims), before=earlier)
    else:
        found = check(document)
    row = {"name": document.name, "version": document.version, "rules": len(document.rules), "hash": document.hash}

    def in_words() -> None:
        show_fields(row, chosen)
        show_findings(found, has_cases=bool(table), has_claims=bool(claims))

    show_whole({**row, "findings": [finding.to_json() for finding in found]}, chosen, in_words)
    raise typer.Exit(REFUSED if refusals(found) else DONE)


@app.command("test")
def policy_test(file: str, cases: CasesOption = "") -> None:
    """Decide every case of the document's table, by default the one beside it. Exit 1 when one differs.

    custody policy test policies/documents/demo.yaml
    """
    from policies.cases import run_cases

    beside = str(Path(file).parent.parent / "cases" / Path(file).name)
    results = run_cases(file_text(file), file_text(cases or beside))
    for result in results:
        print("\n  ".join(result.words()))
    failed = sum(not result.passed for result in results)
    print(f"{len(results) - failed} of {len(results)} cases are as expected")
    raise typer.Exit(REFUSED if failed else DONE)


@app.command("explain")
def policy_explain(
    file: str,
    request: Annotated[str, typer.Option("--request", help="JSON file of the request's facts, all text.")],
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say what the document answers to one request, and why. Without ``used_before`` in it nothing was asked before.

    The file holds facts, or a witness as `prove` and `diff` print it with --format json.

    custody policy explain policies/documents/demo.yaml --request facts.json
    """
    from policies.decision import explain
    from policies.document import load_document
    from policies.engine import evaluate

    facts, usage = _asked(file_json(request, field="request"))
    decision = evaluate(load_document(file_text(file)), facts, usage)
    show_whole(decision.to_json(), chosen, lambda: print("\n".join(explain(decision))))


@app.command("prove")
def policy_prove(
    file: str,
    invariants: Annotated[str, typer.Argument(help="File of claims; by default the one beside the document.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Prove claims over every request there can be. Exit 1 when one fails, with a request that breaks it.

    custody policy prove policies/documents/demo.yaml policies/invariants/demo.yaml
    """
    from policies.analysis.invariants import read_invariants
    from policies.analysis.prove import broken, prove
    from policies.document import load_document

    document = load_document(file_text(file))
    beside = str(Path(file).parent.parent / "invariants" / Path(file).name)
    proofs = prove(document, read_invariants(file_text(invariants or beside), document))
    show_proofs(proofs, chosen)
    raise typer.Exit(REFUSED if broken(proofs) else DONE)


@app.command("diff")
def policy_diff(first: str, second: str, chosen: FormatOption = Format.TABLE) -> None:
    """Say for each kind of request whether the second document lets out more, less, the same, or some of each.

    Exit 1 when it lets out anything the first does not.

    custody policy diff policies/documents/demo.yaml mine.yaml
    """
    from policies.analysis.difference import differences
    from policies.document import load_document

    documents = [load_document(file_text(file)) for file in (first, second)]
    found = differences(documents[0], documents[1], decimals=decimals_beside(first, documents[0]))
    show_differences(found, chosen)
    raise typer.Exit(REFUSED if any(one.let_out for one in found) else DONE)


@app.command("simulate")
def policy_simulate(
    file: str,
    since: Annotated[str, typer.Option("--since", help="First day, or moment, in UTC: 2026-11-01.")],
    until: Annotated[str, typer.Option("--until", help="Before this day or moment; by default now.")] = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Replay what was asked for under a document: what it would have denied, let out or slowed down, and whose work.

    custody policy simulate policies/documents/demo.yaml --since 2026-11-01
    """
    from custody.cli import house
    from custody.reports.simulation import simulated
    from policies.document import load_document

    document, first = load_document(file_text(file)), moment(since, field="since")
    with resumable("nothing was changed: run it again"), house.reading() as (session, runtime):
        with runtime.database.unit() as unit:
            now = unit.now
        last = moment(until, field="until") if until else now
        found = simulated(session, document, since=first, until=last, shown=with_progress)
    show_simulated(found, chosen)


def _asked(value: Any) -> tuple[Facts, Usage]:
    from policies.analysis.witness import read_usage
    from policies.facts import Facts, nothing_used

    if isinstance(value, dict) and isinstance(value.get("facts"), dict):
        return Facts.from_json(value["facts"]), read_usage(value.get("used_before", []))
    return Facts.from_json(value), nothing_used
