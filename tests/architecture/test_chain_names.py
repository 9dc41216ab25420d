"""No chain's name, word or library stands in the code of a room: what a chain brings, it brings under a neutral name.

Looked at are imports, identifiers and strings; docstrings, comments and the migrations, which are history, are not. The
rooms that may name a chain are ``chains`` and ``cosigner``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.imports import imports_of

REPOSITORY = Path(__file__).parents[2]
MAY_NAME_A_CHAIN = ("chains", "cosigner")
HISTORY = Path("custody/db/migrations/versions")

WORDS = (
    "bitcoin", "bitcoind", "bip122", "psbt", "satoshi", "sat", "sats", "script_pubkey", "utxo", "utxos", "vout",
    "vsize", "ethereum", "eip155", "wei", "gwei", "erc20", "safe_tx", "multisend",
    "bdkpython", "embit", "web3", "eth_abi", "eth_account", "eth_utils", "safe_eth", "sha3",
)  # fmt: skip
WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![a-z0-9])")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Formats that others sign or read, and names of settings: they keep their words.
ON_THE_WIRE: Mapping[str, set[str]] = {
    "custody/deposits/shown.py": {"vout"},
    "custody/spends/shown.py": {"vsize"},
    "custody/kernel/problems.py": {"psbt", "safe_tx"},
    "custody/api/contract/operations.py": {"psbt", "sat"},
    "custody/api/contract/samples.py": {"bip122", "psbt"},
    "custody/api/contract/things.py": {"vout", "vsize"},
    "custody/cli/withdrawal_words.py": {"vsize"},
    "custody/evidence/bundle.py": {"bitcoin", "bip122", "psbt", "eip155", "safe_tx"},
}


def sources() -> list[Path]:
    """Every module of a room that may not name a chain, from the repository's root."""
    found = (path.relative_to(REPOSITORY) for path in (REPOSITORY / "custody").rglob("*.py"))
    return sorted(path for path in found if path.parts[1] not in MAY_NAME_A_CHAIN and HISTORY not in path.parents)


def chain_imports(path: Path) -> list[str]:
    """What it imports of one chain's own modules."""
    found = (name.split(".") for name in imports_of(path))
    chains = {item.name for item in (REPOSITORY / "custody" / "chains").iterdir() if (item / "__init__.py").exists()}
    return [".".join(parts) for parts in found if parts[:2] == ["custody", "chains"] and set(parts[2:3]) & chains]


def words_of(path: Path) -> set[str]:
    """The words of chains in its identifiers and strings."""
    return {word for text in _texts(ast.parse(path.read_text())) for word in WORD.findall(HUMP.sub("_", text).lower())}


def _texts(tree: ast.Module) -> Iterator[str]:
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in said:
                yield text
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.ImportFrom(module=str(text)):
                yield text
            case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.keyword(arg=str(text)):
                yield text
            case ast.alias(name=text, asname=other):
                yield from (text, other or "")
            case _:
                pass


@pytest.mark.parametrize("path", sources(), ids=str)
def test_imports_no_chain(path: Path) -> None:
    assert chain_imports(REPOSITORY / path) == []


@pytest.mark.parametrize("path", sources(), ids=str)
def test_names_no_chain(path: Path) -> None:
    assert words_of(REPOSITORY / path) == ON_THE_WIRE.get(str(path), set())


def test_every_listed_module_is_there() -> None:
    assert {*ON_THE_WIRE} <= {str(path) for path in sources()}


def test_sees_a_chain_wherever_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text(
        '"""Bitcoin in words is fine: satoshi."""\n'
        "def f():\n    from custody.chains.bitcoin.rpc import Rpc  # and a psbt here\n"
        'MAX_WEI = "an eip155 chain"\nclass SafeTxRead:\n    satellite: int\n    """The utxo set."""\n'
    )
    assert chain_imports(path) == ["custody.chains.bitcoin.rpc.Rpc"]
    assert words_of(path) == {"bitcoin", "wei", "eip155", "safe_tx"}
