"""The API's reference as Markdown, a page a noun, and ``llms.txt``: whole files out of the contract's file.

``python -m tests.architecture.pages`` writes them with the parts of other pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docs" / "api"
INDEX = REPOSITORY / "llms.txt"
HEAD = "<!-- Out of the contract: python -m tests.architecture.pages -->"
Operation = Mapping[str, Any]


def made() -> dict[Path, str]:
    """Every file of the reference, with its text."""
    document = json.loads((REPOSITORY / "custody" / "cli" / "openapi.json").read_text())
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    found = {FOLDER / f"{tag}.md": _page(tag, words, _of(document, tag)) for tag, words in tags.items()}
    return found | {INDEX: _index(document["info"]["description"], tags)}


def write() -> None:
    """Write them all, and remove pages of nouns that are gone."""
    files = made()
    FOLDER.mkdir(exist_ok=True)
    for path in set(FOLDER.glob("*.md")) - set(files):
        path.unlink()
    for path, text in files.items():
        path.write_text(text)


def _of(document: Operation, tag: str) -> list[tuple[str, str, Operation]]:
    return [
        (path, method.upper(), operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in sorted(methods.items())
        if operation["tags"] == [tag]
    ]


def _page(tag: str, words: str, operations: Iterable[tuple[str, str, Operation]]) -> str:
    parts = [f"# {tag.capitalize()}", HEAD, words, "Every code is explained in [errors](../errors.md)."]
    for path, method, operation in operations:
        parts += _operation(path, method, operation)
    return "\n\n".join(parts) + "\n"


def _operation(path: str, method: str, operation: Operation) -> Iterator[str]:
    yield f"## `{operation['operationId']}`: {method} {path}"
    yield operation["description"].replace("``", "`")
    if operation["parameters"]:
        yield table(("name", "where", "needed", "what it is"), map(_parameter, operation["parameters"]))
    yield _block("http", _request(path, method, operation))
    problems = []
    for status, answer in sorted(operation["responses"].items()):
        if "application/json" in answer["content"]:
            yield f"**{status}.** {answer['description']}"
            yield _block("json", _json(answer["content"]["application/json"]["example"]))
        if "x-codes" in answer:
            problems.append((status, ", ".join(f"`{code}`" for code in answer["x-codes"])))
    yield table(("refused with", "codes"), problems)


def _parameter(each: Operation) -> tuple[str, ...]:
    return f"`{each['name']}`", each["in"], "yes" if each["required"] else "", each["description"]


def _request(path: str, method: str, operation: Operation) -> str:
    """The request as it goes over the wire, with every parameter that must be there and the headers there may be."""
    values = {each["name"]: each["example"] for each in operation["parameters"]}
    filled = re.sub(r"\{(\w+)\}", lambda found: quote(str(values[found[1]]), safe=""), path)
    wanted = [each for each in operation["parameters"] if each["in"] == "query" and each["required"]]
    query = "&".join(f"{each['name']}={quote(str(each['example']))}" for each in wanted)
    lines = [f"{method} {filled}{'?' if query else ''}{query} HTTP/1.1"]
    lines += [f"{each['name']}: {each['example']}" for each in operation["parameters"] if each["in"] == "header"]
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["example"]
        lines += ["Content-Type: application/json", "", _json(body)]
    return "\n".join(lines)


def _index(words: str, tags: Mapping[str, str]) -> str:
    guides = [f"- [{_title(path)}](docs/{path.name})" for path in sorted((REPOSITORY / "docs").glob("*.md"))]
    nouns = [f"- [{tag}](docs/api/{tag}.md): {said}" for tag, said in tags.items()]
    contract = "- [OpenAPI 3.1](custody/cli/openapi.json): the contract, as `custody openapi` prints it"
    return "\n".join(
        ["# Custody", "", f"> {words}", "", "## Guides", *guides, "", "## API by noun", *nouns, contract, ""]
    )


def _title(page: Path) -> str:
    return page.read_text().split("\n", 1)[0].removeprefix("# ")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
