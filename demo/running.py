"""A demo that stays up, as another terminal finds it: its settings, its people's keys and tokens, what waits in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.settings import load
from custody.bootstrap import Runtime, assemble
from custody.kernel.errors import NotFound
from demo.people import Api, Person, credential_of
from demo.supervisor import default_home

LEFT = "left.json"
"""What the story leaves behind for the commands after it."""


class NoDemo(NotFound):
    """No demo runs here, or its story is not told to the end."""

    code = "no-demo"


@dataclass(frozen=True)
class Running:
    """One demo and how to act in it as its seeded people."""

    home: Path
    environment: dict[str, str]
    runtime: Runtime
    left: dict[str, str]

    @classmethod
    def find(cls) -> Running:
        """The demo of this clone (or of ``$CUSTODY_HOME``). Raises ``NoDemo``."""
        home = default_home()
        if not (home / LEFT).exists():
            raise NoDemo("no demo waits here; start one with make demo and let it tell its story", field="demo")
        environment = dict(line.split("=", 1) for line in (home / "env").read_text().splitlines())
        return cls(home, environment, assemble(load(environment)), json.loads((home / LEFT).read_text()))

    def api(self, caller: str) -> Api:
        """The API as ``caller``."""
        found = credential_of(caller, (self.home / "tokens" / caller).read_text())
        return Api(f"http://127.0.0.1:{self.environment['CUSTODY_API_PORT']}", found)

    def person(self, name: str) -> Person:
        """One of the seeded people, with the key that lies in ``keys``."""
        return Person.load(name, self.home / "keys")

    def view(self, withdrawal: str) -> Any:
        """A withdrawal, as the API shows it."""
        return self.api("alice").get(f"/v1/withdrawals/{withdrawal}")


def remember(home: Path, left: dict[str, str]) -> None:
    """Write down what waits, for the commands after the story."""
    (home / LEFT).write_text(json.dumps(left))


def tell_one_line(act: Callable[[Running], None]) -> int:
    """Run a command in the demo of this clone; what goes wrong is one line. The exit code."""
    import sys

    from custody.kernel.errors import CustodyError

    try:
        act(Running.find())
    except (CustodyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
