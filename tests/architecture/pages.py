"""Parts of the documents that are taken from the code: ``python -m tests.architecture.pages`` writes them anew.

A part stands in a page between ``<!-- from the code: NAME -->`` and ``<!-- end -->``. Source is read as text, so
nothing is run and nothing is connected to.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from custody.api.contract.operation import ANY_CALL
from custody.deposits import states as deposits
from custody.kernel.crash import points_in
from custody.kernel.problems import PROBLEMS
from custody.ledger.reasons import RULES
from custody.withdrawals import states as withdrawals
from policies.vocabulary import CLOSED_SETS, FIELDS_OF_KIND, MEANINGS, NEVER_PERMITTED
from tests.architecture import reference
from tests.architecture.reference import table
from workers import routes

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("custody", "policies", "workers")
FAMILIES = ("Refused", "Conflict", "Unavailable", "Broken")
MARKED = re.compile(r"(<!-- from the code: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Every Markdown page of the repository's own."""
    return sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("benchmarks/*.md")])


def rendered(text: str) -> str:
    """``text`` with every marked part as the code says it now. Raises ``KeyError`` for a part nobody renders."""
    return MARKED.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


def rooms() -> str:
    """Each room and the first line of what it promises."""
    packages = sorted((REPOSITORY / "custody").glob("*/__init__.py"))
    promises = [(f"`{path.parent.name}`", _first_line(ast.parse(path.read_text()))) for path in packages]
    return table(("room", "what it is for"), promises)


def import_order() -> str:
    """The shelves, top to bottom, as the contract states them."""
    contracts = configparser.ConfigParser()
    contracts.read(REPOSITORY / ".importlinter")
    shelves = contracts["importlinter:contract:shelves"]["layers"].split("\n")
    lines = [line.replace("(", "").replace(")", "").replace("custody.", "").strip() for line in shelves]
    return "\n".join(["```text", *(line for line in lines if line), "```"])


def withdrawal_states() -> str:
    """The diagram of ``custody/withdrawals/states.py``."""
    moves = [(before, event, after) for (before, event), after in withdrawals.TRANSITIONS.items()]
    return _diagram([("[*]", "request", withdrawals.State.REQUESTED), *moves], withdrawals.RELEASED)


def deposit_states() -> str:
    """The diagram of ``custody/deposits/states.py``."""
    first = [("[*]", event, state) for event, state in deposits.FIRST.items()]
    moves = [(before, event, after) for (before, event), after in deposits.TRANSITIONS.items()]
    return _diagram([*first, *moves], ())


def crash_points() -> str:
    """Every named crash point: those of the code, and those each task has by its shape."""
    named = points_in(*(REPOSITORY / package for package in ("custody", "workers")))
    return "\n".join(["```text", *sorted({*named, *routes.crash_points()}), "```"])


def refusal_reasons() -> str:
    """Every reason of a cosigner, in the order its rules are applied."""
    tree = ast.parse((REPOSITORY / "custody" / "cosigner" / "reasons.py").read_text())
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Reason")
    found = [
        (f"`{_constant(value)}`", _text(words)) for value, words in pairwise(body) if isinstance(value, ast.Assign)
    ]
    return table(("reason", "what it means"), found)


def error_codes() -> str:
    """Every stable error code, its family and what it means."""
    classes = {node.name: node for path in _sources() for node in _classes(path)}
    found = {code: name for name, node in classes.items() if (code := _code(node)) is not None}
    rows = [
        (f"`{code}`", _family(name, classes), _first_line(classes[name]))
        for code, name in sorted(found.items())
        if _family(name, classes)
    ]
    return table(("code", "family", "meaning"), rows)


def api_operations() -> str:
    """Every operation of the API by its noun, with its codes beside those of any call, out of the contract's file."""
    document = json.loads((REPOSITORY / "custody" / "cli" / "openapi.json").read_text())
    found = [
        (operation["tags"][0], path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    lines: list[str] = []
    for tag in sorted({tag for tag, *_ in found}):
        rows = [
            (f"`{method} {path}`", f"`{operation['operationId']}`", operation["summary"], _own_codes(operation))
            for each, path, method, operation in sorted(found, key=lambda item: item[:3])
            if each == tag
        ]
        lines += [f"### {tag}", "", table(("call", "operation", "what it does", "its own error codes"), rows), ""]
    return "\n".join(lines).rstrip()


def api_errors() -> str:
    """Every error code: status, whether to ask again, what it means, and what it means for the money."""
    rows = [
        (f"`{each.code}`", str(each.status), "yes" if each.retryable else "", each.meaning, each.money)
        for each in PROBLEMS.values()
    ]
    return table(("code", "status", "ask again", "what it means", "what it means for the money"), rows)


def _own_codes(operation: Mapping[str, Any]) -> str:
    codes = {code for answer in operation["responses"].values() for code in answer.get("x-codes", ())}
    return ", ".join(f"`{code}`" for code in sorted(codes - set(ANY_CALL)))


def ledger_reasons() -> str:
    """Why an entry may exist, and what may fall and rise under it."""
    rows = [
        (
            f"`{reason}`",
            ", ".join(sorted(rule.falls)),
            ", ".join(sorted(rule.rises)),
            "yes" if rule.authority else "",
        )
        for reason, rule in RULES.items()
    ]
    return table(("reason", "may fall", "may rise", "names who authorised it"), rows)


def policy_fields() -> str:
    """Every field a rule may read, what it is, what may be written of it, and the kinds of request that have it."""
    rows = []
    for field, meaning in MEANINGS.items():
        having = [kind for kind, fields in FIELDS_OF_KIND.items() if field in fields]
        lacking = [f"`{kind}`" for kind in FIELDS_OF_KIND if kind not in having]
        kinds = ", ".join(f"`{kind}`" for kind in having)
        if len(having) > len(lacking):
            kinds = f"all but {', '.join(lacking)}" if lacking else "all"
        rows.append((f"`{field}`", meaning, _what_may_be_written(field), kinds))
    return table(("field", "what it is", "what a match says of it", "kinds that have it"), rows)


def policy_kinds() -> str:
    """Every kind of request that a rule may be about."""
    return ", ".join(f"`{kind}`" for kind in FIELDS_OF_KIND)


def _what_may_be_written(field: str) -> str:
    if field == "kind":
        return "one or several of the kinds above"
    if field not in CLOSED_SETS:
        return SYNTAX.get(field, "one or several names")
    never = NEVER_PERMITTED.get(field, frozenset())
    words = ", ".join(f"`{word}`" for word in sorted(CLOSED_SETS[field] - never))
    last = f"; {', '.join(f'`{word}`' for word in sorted(never))} in a `forbid` or `require` only" if never else ""
    return f"{'one or several of ' if ',' in words else ''}{words}{last}"


SYNTAX: Mapping[str, str] = {
    "amount": '`{above: "0.5 BTC", at_most: "1 BTC"}`, one or both',
    "usd": '`{above: 10_000, at_most: "250_000.50"}`, one or both',
    "price.age": "`{above: 10m, at_most: 1h}`, one or both",
    "books.age": "`{above: 2h, at_most: 1d}`, one or both",
    "time": '`{within: ["Mon-Fri 09:00-17:00"], zone: Europe/Berlin}`, or `outside` for `within`',
}

PARTS: Mapping[str, Callable[[], str]] = {
    "rooms": rooms,
    "import-order": import_order,
    "withdrawal-states": withdrawal_states,
    "deposit-states": deposit_states,
    "crash-points": crash_points,
    "refusal-reasons": refusal_reasons,
    "error-codes": error_codes,
    "api-operations": api_operations,
    "api-errors": api_errors,
    "ledger-reasons": ledger_reasons,
    "policy-fields": policy_fields,
    "policy-kinds": policy_kinds,
}


def _diagram(moves: Iterable[tuple[str, str, str]], ends: Iterable[str]) -> str:
    lines = [f"    {before} --> {after}: {event}" for before, event, after in moves]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, *(f"    {end} --> [*]" for end in sorted(ends)), "```"])


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]


def _code(node: ast.ClassDef) -> str | None:
    for line in node.body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "code":
            return _constant(line)
    return None


def _family(name: str, classes: Mapping[str, ast.ClassDef]) -> str:
    while name in classes and name not in FAMILIES:
        bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
        name = bases[0] if bases else ""
    return name if name in FAMILIES else ""


def _first_line(node: ast.Module | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").split("\n")[0].replace("``", "`")


def _constant(node: ast.stmt) -> str | None:
    value = node.value if isinstance(node, ast.Assign) else None
    return str(value.value) if isinstance(value, ast.Constant) else None


def _text(node: ast.stmt) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return str(value.value) if isinstance(value, ast.Constant) else ""


def main() -> None:
    """Write the API's reference and every page's parts anew."""
    reference.write()
    for page in pages():
        text = page.read_text()
        page.write_text(rendered(text))


if __name__ == "__main__":
    main()
