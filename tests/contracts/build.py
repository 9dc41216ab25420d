"""``python -m tests.contracts.build`` compiles the test contracts anew; with ``--check`` it only compares.

The compiler is the locked npm package ``solc``; ``make contracts`` installs it first.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from tests.contracts import COMPILED, FOLDER, source_hashes, sources

COMPILER = FOLDER / "node_modules" / "solc" / "solc.js"
# Without metadata the code depends on nothing but sources and settings. Paris: the oldest rules with proof of stake.
SETTINGS = {
    "evmVersion": "paris",
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
}
WANTED = {"*": {"*": ["abi", "evm.bytecode.object"]}}
# The warning that self-destruction is deprecated: it is what these contracts are for.
EXPECTED_WARNINGS = {"5159"}


class CompilerFailed(Exception):
    """The compiler is missing, or does not accept a source."""


def main(arguments: list[str]) -> int:
    """0: written, or with ``--check`` equal; 1: different; 2: could not be compiled."""
    try:
        text = render(compile_all())
    except CompilerFailed as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if arguments == ["--check"]:
        same = COMPILED.exists() and COMPILED.read_text() == text
        said = "compiled.json is what the sources compile to" if same else "compiled.json is stale: make contracts"
        sys.stdout.write(f"{said}\n")
        return 0 if same else 1
    COMPILED.write_text(text)
    return 0


def compile_all() -> dict[str, Any]:
    """What ``compiled.json`` has to hold. Raises ``CompilerFailed``."""
    answer = _ask({name: {"content": text} for name, text in sources().items()})
    complaints = [each for each in answer.get("errors", []) if each.get("errorCode") not in EXPECTED_WARNINGS]
    if complaints:
        raise CompilerFailed(complaints[0]["formattedMessage"].strip())
    contracts = {
        name: {"abi": found["abi"], "bytecode": found["evm"]["bytecode"]["object"]}
        for file in answer["contracts"].values()
        for name, found in file.items()
        if found["evm"]["bytecode"]["object"]
    }
    version = json.loads((COMPILER.parent / "package.json").read_text())["version"]
    return {"solc": version, "settings": SETTINGS, "sources": source_hashes(), "contracts": contracts}


def render(found: dict[str, Any]) -> str:
    """Compact JSON with a line for each contract, so that a change shows where it is."""
    head = {key: value for key, value in found.items() if key != "contracts"}
    lines = [f"{json.dumps(name)}: {_compact(found['contracts'][name])}" for name in sorted(found["contracts"])]
    return json.dumps(head, separators=(",", ":"))[:-1] + ',"contracts":{\n' + ",\n".join(lines) + "\n}}\n"


def _ask(files: dict[str, Any]) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None or not COMPILER.exists():
        raise CompilerFailed("solc: not installed (run make contracts)")
    question = {"language": "Solidity", "sources": files, "settings": {**SETTINGS, "outputSelection": WANTED}}
    # Into a file: the program ends before a pipe has taken more than 64 kB of its answer.
    with tempfile.TemporaryFile("w+") as output:
        run = subprocess.run(
            [node, COMPILER, "--standard-json"],
            input=json.dumps(question),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        output.seek(0)
        text = output.read()
    if run.returncode or "{" not in text:
        raise CompilerFailed(f"solc: {(run.stderr.strip() or 'no answer').splitlines()[-1]}")
    # The program may greet on its first line.
    answer: dict[str, Any] = json.loads(text[text.index("{") :])
    return answer


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
