"""A home and how to run the program in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.cosigner.main import main
from custody.evidence.bundle import Bundle
from custody.evidence.words import digest_code
from tests.cosigner.builders import PASSPHRASE, World, words_of

DONE, REFUSED, INVALID, UNREACHABLE, WAITING = 0, 1, 2, 5, 8
ROOT = Path(__file__).parents[2]


@dataclass
class Keyholder:
    """A home and how to run the program in it."""

    name: str
    directory: Path
    network: str = "regtest"

    @property
    def home(self) -> Path:
        return self.directory / self.name

    def arguments(self, *arguments: str) -> list[str]:
        return ["--home", str(self.home), *arguments]

    def run(self, *arguments: str) -> int:
        return main(self.arguments(*arguments))

    def run_open(self, *arguments: str) -> int:
        return self.run(*arguments, "--passphrase-file", self.write("passphrase", PASSPHRASE + "\n"))

    def write(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def init(self, *extra: str) -> int:
        words = self.write(f"{self.name}.words", words_of(self.name))
        given = ("--mnemonic-file", words, "--scrypt-log2n", "12", "--network", self.network)
        return self.run_open("init", "--name", self.name, *given, *extra)

    def fetch(self, url: str, *extra: str) -> int:
        """Answer what this API holds, without asking a person."""
        token = self.write("token", "sesame\n")
        return self.run_open("fetch", "--api", url, "--token-file", token, "--yes", *extra)

    def pin(self, world: World) -> int:
        root = self.write("root.json", json.dumps(world.signed_root.to_json()))
        return self.run("pin", "--root", root, "--fingerprint", digest_code(world.root.hash))


def live_bundle(world: World, **changes: Any) -> Bundle:
    request = world.withdrawal("acme", 2_000_000, not_after=world.now.replace(microsecond=0) + timedelta(days=1))
    payment = world.payment(request, branch=7)
    psbt = world.transaction([payment], [world.coin(7, 10_000_000)], fee_sat=3_000)
    bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, name=changes.pop("name", "bnd_1"))
    return replace(bundle, **changes)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]
