"""The demonstration as somebody new meets it: typed is what it prints, clicked is what it shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Person
from tests.integration.api.server import plain_environment
from tests.support.processes import processes_in, wait_until

REPOSITORY = Path(__file__).parents[2]
LINK = re.compile(r"^  open (http://localhost:\d+)(/console/invitation#\S+) ", re.MULTILINE)
LAST_WORDS = "leaves nothing running."
MAKE_IS = {"make welcome": "demo.newcomer", "make cheat": "demo.cheat", "make down": "demo.supervisor down"}
"""What the Makefile runs, but for making the environment that these tests run in already."""


@dataclass
class Demo:
    """One ``make demo`` in a folder of its own."""

    home: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, home: Path) -> Demo:
        home.mkdir()
        said = (home.parent / f"{home.name}.said").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "demo"], cwd=REPOSITORY, env=_environment(home), stdout=said, stderr=said, text=True
        )
        return cls(home, process)

    @property
    def said(self) -> str:
        return (self.home.parent / f"{self.home.name}.said").read_text()

    def is_told(self) -> bool:
        assert self.process.poll() is None, self.said
        return LAST_WORDS in self.said

    def make(self, target: str) -> str:
        """What ``make TARGET`` prints."""
        arguments = MAKE_IS[f"make {target}"].split()
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=REPOSITORY,
            env=_environment(self.home),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[tuple[Demo, Demo]]:
    """Two clones' demonstrations side by side."""
    started = Demo.start(tmp_path / "one"), Demo.start(tmp_path / "two")
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.process.wait(timeout=60)


def test_from_make_demo_to_an_approved_withdrawal_and_a_thief_refused(
    demos: tuple[Demo, Demo], browser: Browser
) -> None:
    demo, other = demos
    wait_until(lambda: all("api is up" in each.said for each in demos), seconds=300)
    assert len({_port(each) for each in demos}) == 2
    assert "process" in other.make("down")
    wait_until(lambda: not processes_in(other.home))
    wait_until(demo.is_told, seconds=300)
    here = LINK.search(demo.said)
    assert here, demo.said
    assert len([line for line in demo.said.splitlines() if line.startswith("  ") and _is_a_command(line)]) == 4
    assert here[1].endswith(f":{_port(demo)}")

    person = Person.at(browser, here[1])
    person.register(here[1] + here[2])
    told = demo.make("welcome")
    assert "bob and carol signed it with their own keys" in told
    assert "a new passkey cools before it counts" in told
    person.sign_in()
    withdrawal = re.search(r"wdr_\w{26}", demo.said)
    assert withdrawal
    person.page.click("a[href*='/console/intents/'] >> nth=0")
    person.page.click("button[value=approve]")
    person.page.wait_for_selector("#passkey")
    assert person.sign() == 201
    assert _watched(demo, withdrawal[0]) == 0

    told = demo.make("cheat")
    assert "refuses, request-not-proven" in told
    assert "nothing was signed and nothing was sent; the withdrawal is failed, its money free" in told
    assert demo.make("down").startswith("stopped process")
    wait_until(lambda: not processes_in(demo.home))


def _port(demo: Demo) -> str:
    found = re.search(r"^CUSTODY_API_PORT=(\d+)$", (demo.home / "env").read_text(), re.MULTILINE)
    assert found
    return found[1]


def _is_a_command(line: str) -> bool:
    return line.strip().startswith(("open ", "make ", ".venv/bin/custody "))


def _watched(demo: Demo, withdrawal: str) -> int:
    """The exit code of the third command that is printed."""
    program = [sys.executable, "-m", "custody.cli.main", "--env", str(demo.home / "env")]
    assert f".venv/bin/custody withdrawal watch {withdrawal}" in demo.said
    done = subprocess.run([*program, "withdrawal", "watch", withdrawal], cwd=REPOSITORY, check=False, timeout=300)
    return done.returncode


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, **plain_environment(), "CUSTODY_HOME": str(home), "BRIEF": "1"}
