"""The API's contract as a file, and what would break whoever relies on it: ``python -m tests.architecture.contract``.

The file is written anew from the application. Where something that was promised would be gone it is not written, and
what would break is said; ``--break`` writes it all the same, which is for a version of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from custody.api.app import routes_served
from custody.api.contract.document import openapi
from custody.api.contract.shapes import COMPONENTS

FILE = Path(__file__).parents[2] / "custody" / "cli" / "openapi.json"
Document = Mapping[str, Any]


def made() -> dict[str, Any]:
    """The document of the application as it is."""
    found: dict[str, Any] = json.loads(json.dumps(openapi(routes_served())))
    return found


def committed() -> dict[str, Any]:
    """The document as it was promised."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def written(document: Document) -> str:
    """As the file has it."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def breaks(before: Document, after: Document) -> list[str]:
    """Whatever a program written for ``before`` could rely on and would miss in ``after``."""
    return sorted({*_operations(before, after)})


def _operations(before: Document, after: Document) -> Iterator[str]:
    for path, methods in before["paths"].items():
        for method, old in methods.items():
            name, new = f"{method.upper()} {path}", after["paths"].get(path, {}).get(method)
            if new is None:
                yield f"{name} is gone"
                continue
            if old["operationId"] != new["operationId"]:
                yield f"{name} has another operation id"
            yield from _asked(name, old, new, before, after)
            yield from _answered(name, old, new, before, after)


def _asked(name: str, old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    known = {(each["in"], each["name"]): each for each in new["parameters"]}
    for each in old["parameters"]:
        if (each["in"], each["name"]) not in known:
            yield f"{name} takes no {each['name']} any more"
    was = {(each["in"], each["name"]) for each in old["parameters"] if each["required"]}
    for key, each in known.items():
        if each["required"] and key not in was:
            yield f"{name} cannot do without {each['name']} any more"
    if "requestBody" in new:
        if "requestBody" not in old:
            yield f"{name} wants a body now"
            return
        then, now = (doc["requestBody"]["content"]["application/json"]["schema"] for doc in (old, new))
        yield from _narrowed(f"{name} body", _whole(then, before), _whole(now, after), before, after, asked=True)


def _answered(name: str, old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    for status, answer in old["responses"].items():
        now = new["responses"].get(status)
        if now is None:
            yield f"{name} answers no {status} any more"
            continue
        for kind, content in answer["content"].items():
            if kind not in now["content"]:
                yield f"{name} {status} is no {kind} any more"
                continue
            then, here = content["schema"], now["content"][kind]["schema"]
            yield from _narrowed(f"{name} {status}", _whole(then, before), _whole(here, after), before, after)


def _narrowed(
    where: str, old: Document, new: Document, before: Document, after: Document, *, asked: bool = False
) -> Iterator[str]:
    """What is missing in ``new``; of what is asked for also what it wants beyond ``old``."""
    kinds = (old.get("type"), new.get("type"))
    if "anyOf" in old or "anyOf" in new:
        if len(old.get("anyOf", [old])) != len(new.get("anyOf", [new])):
            yield f"{where} is of another kind"
            return
        for then, now in zip(old.get("anyOf", [old]), new.get("anyOf", [new]), strict=True):
            yield from _narrowed(where, _whole(then, before), _whole(now, after), before, after, asked=asked)
        return
    if kinds[0] != kinds[1]:
        yield f"{where} is of another kind"
        return
    if asked and set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{where} wants more"
    gone = set(old.get("enum", ())) - set(new.get("enum", old.get("enum", ())))
    if gone:
        yield f"{where} knows no {', '.join(sorted(gone))} any more"
    for name, field in old.get("properties", {}).items():
        found = new.get("properties", {}).get(name)
        if found is None:
            yield f"{where}.{name} is gone"
        else:
            now = _whole(found, after)
            yield from _narrowed(f"{where}.{name}", _whole(field, before), now, before, after, asked=asked)
    if "items" in old and "items" in new:
        now = _whole(new["items"], after)
        yield from _narrowed(f"{where}[]", _whole(old["items"], before), now, before, after, asked=asked)


def _whole(shape: Document, document: Document) -> Document:
    while "$ref" in shape:
        shape = document["components"]["schemas"][str(shape["$ref"]).removeprefix(COMPONENTS)]
    return shape


def main() -> int:
    """Write the file, unless that breaks what was promised."""
    document = made()
    found = breaks(committed(), document) if FILE.exists() else []
    if found and "--break" not in sys.argv:
        sys.stderr.write("\n".join([*found, "not written: this breaks who relies on it"]) + "\n")
        return 1
    FILE.write_text(written(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
