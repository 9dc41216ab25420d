"""A SoftHSM token: a PKCS#11 module whose keys never come out, and keyholders whose keys are in it.

The module reads where its tokens are when it is first loaded, so a process has one folder of tokens, and tests differ
by their keys' labels.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from custody.cosigner.keeping import CosignerKey
from custody.cosigner.keyring import open_key
from demo.find import softhsm
from tests.cosigner.keyholder import DONE, Keyholder

PIN = "739146285503"
"""So long that no row of digits has it by chance."""
LABEL = "custody-tests"
_KEYS = itertools.count(1)


@dataclass(frozen=True)
class Token:
    """One initialised token."""

    module: Path
    label: str = LABEL
    pin: str = PIN

    def holder(self, name: str, directory: Path, network: str = "regtest", *, key: str = "") -> TokenHolder:
        """A home whose key this token made now, or has under ``key``."""
        holder = TokenHolder(name, directory, network, self, key or f"{name}-{next(_KEYS)}")
        assert holder.begin(make=not key) == DONE
        return holder


@dataclass
class TokenHolder(Keyholder):
    """A keyholder whose secret is a PIN."""

    token: Token | None = None
    label: str = ""

    def begin(self, *, make: bool = False, **changes: str) -> int:
        """``init-token``; ``changes`` replace options by their names."""
        assert self.token is not None
        options = {"module": str(self.token.module), "token": self.token.label, "key": self.label, **changes}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        extra = ["--make"] if make else []
        return self.run_open("init-token", "--name", self.name, "--network", self.network, *words, *extra)

    def run_open(self, *arguments: str) -> int:
        assert self.token is not None
        return self.run(*arguments, "--pin-file", self.write("pin", self.token.pin + "\n"))

    @property
    def key(self) -> CosignerKey:
        """The key, opened in this process."""
        token = self.token
        assert token is not None
        return open_key(
            json.loads((self.home / "key.json").read_text()), secret=lambda _: token.pin, cards=self.home / "card"
        )


@pytest.fixture(scope="session")
def token() -> Iterator[Token]:
    """The session's token."""
    module, util = softhsm()
    with tempfile.TemporaryDirectory(prefix="custody-token-") as folder:
        configuration = Path(folder) / "softhsm2.conf"
        (Path(folder) / "tokens").mkdir()
        configuration.write_text(
            f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        words = ["--module", module, "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "8" * 8]
        subprocess.run([util, *words], check=True, capture_output=True)
        yield Token(module)
