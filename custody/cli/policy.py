"""``policy check``, ``policy test`` and ``policy explain``: a document, its cases, and one request. Asks nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custody.cli.exits import DONE, REFUSED
from custody.cli.showing import Format, FormatOption, show_fields, show_json

app = typer.Typer(help="Policy documents.", no_args_is_help=True)


@app.command("check")
def policy_check(file: str, chosen: FormatOption = Format.TABLE) -> None:
    """Read a document and print its hash, which the trust root states.

    custody policy check policies/documents/demo.yaml
    """
    from policies.document import load_document

    found = load_document(Path(file).read_text())
    row = {"name": found.name, "version": found.version, "rules": len(found.rules), "hash": found.hash}
    show_fields(row, chosen)


@app.command("test")
def policy_test(file: str, cases: Annotated[str, typer.Option("--cases", help="Table of cases.")] = "") -> None:
    """Decide every case of the document's table, by default the one beside it. Exit 1 when one differs.

    custody policy test policies/documents/demo.yaml
    """
    from policies.cases import run_cases

    beside = Path(file).parent.parent / "cases" / Path(file).name
    results = run_cases(Path(file).read_text(), (Path(cases) if cases else beside).read_text())
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
    """Say what the document answers to one request, and why, as if nothing had been asked before it.

    custody policy explain policies/documents/demo.yaml --request facts.json
    """
    from custody.kernel.canonical import parse_json
    from policies.decision import explain
    from policies.document import load_document
    from policies.engine import evaluate
    from policies.facts import Facts, nothing_used

    facts = Facts.from_json(parse_json(Path(request).read_bytes(), field="request"))
    decision = evaluate(load_document(Path(file).read_text()), facts, nothing_used)
    if chosen is Format.JSON:
        show_json(decision.to_json())
        return
    print("\n".join(explain(decision)))
