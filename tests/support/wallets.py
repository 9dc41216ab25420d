"""Stands in for the command ``hwi`` with one device, whose key is a test's words; writes down what it is asked.

What it answers has the shapes of HWI 3.2. It is no device: it shows what a device would be given and what is made of
an answer, and nothing about a real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import coincurve
from embit import bip32, bip39
from embit.descriptor import Descriptor
from embit.networks import NETWORKS
from embit.psbt import PSBT

MAGIC = b"\x18Bitcoin Signed Message:\n"


def write_command(folder: Path, words: str, **answers: Any) -> Path:
    """A command in ``folder``; ``answers`` replace what a subcommand says. Questions end up in ``folder/asked``."""
    command = folder / "hwi"
    (folder / "device.json").write_text(json.dumps({"words": words, "answers": answers}))
    root = Path(__file__).parents[2]
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\n"
        f"from tests.support import wallets\nwallets.main({str(folder)!r})\n"
    )
    command.chmod(0o700)
    return command


def asked(folder: Path) -> list[list[str]]:
    """Every call: its arguments, and behind them the words that came on standard input."""
    path = folder / "asked"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(folder: str) -> None:
    """One call of the command."""
    arguments = sys.argv[1:]
    words = shlex.split(sys.stdin.read()) if "--stdin" in arguments else []
    with (Path(folder) / "asked").open("a") as file:
        file.write(json.dumps([*arguments, *words]) + "\n")
    settings = json.loads((Path(folder) / "device.json").read_text())
    what, *rest = words or arguments
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(settings["words"]))
    answer = settings["answers"].get(what)
    sys.stdout.write(json.dumps(_answer(what, rest, root) if answer is None else answer) + "\n")


def _answer(what: str, rest: list[str], root: bip32.HDKey) -> Any:
    if what == "enumerate":
        return [{"type": "stand-in", "model": "none", "path": "none", "fingerprint": root.my_fingerprint.hex()}]
    if what == "getxpub":
        return {"xpub": root.derive(rest[0]).to_public().to_base58(version=bytes.fromhex("043587cf"))}
    if what == "signtx":
        psbt = PSBT.from_string(rest[0])
        psbt.sign_with(root)
        return {"psbt": psbt.to_string(), "signed": True}
    if what == "displayaddress":
        descriptor = Descriptor.from_string(rest[1].split("#")[0])
        return {"address": descriptor.derive(0).address(NETWORKS["regtest"])}
    if what == "signmessage":
        text = rest[0].encode()
        digest = hashlib.sha256(hashlib.sha256(MAGIC + bytes([len(text)]) + text).digest()).digest()
        made = coincurve.PrivateKey(root.derive(rest[1]).key.secret).sign_recoverable(digest, hasher=None)
        return {"signature": base64.b64encode(bytes([31 + made[64]]) + made[:64]).decode()}
    return {"error": "unknown", "code": -1}
