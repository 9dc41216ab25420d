"""The demonstration as somebody new meets it: typed is what it prints, clicked is what it shows.

On the way it makes the pictures of the README (``tests/browser/pictures.py``).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import pictures
from tests.browser.chromium import Person
from tests.integration.api.server import plain_environment
from tests.support.processes import processes_given, wait_until

REPOSITORY = Path(__file__).parents[2]
LINK = re.compile(r"^  (?:xdg-)?open (http://localhost:\d+)(/console/invitation#\S+) ", re.MULTILINE)
LAST_WORDS = "leaves nothing running."
MAKE = (
    *("make", "--no-print-directory", "-o", ".venv/.stamp", "-o", "demo/evm/node_modules/.stamp"),
    f"BIN={Path(sys.executable).parent}",
)
"""The Makefile with this environment for its own, which it would make first."""


@dataclass
class Demo:
    """One ``make demo`` in a folder of its own, and the one place where it could leave something."""

    home: Path
    outside: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, home: Path) -> Demo:
        home.mkdir()
        outside = Path(tempfile.mkdtemp(prefix="custody-outside-"))
        # Postgres drops to another account where we are root, and may keep its files there.
        outside.chmod(0o1777)
        said = home.with_suffix(".said").open("w")
        environment = _environment(home, outside)
        process = subprocess.Popen(
            [*MAKE, "demo"], cwd=REPOSITORY, env=environment, stdout=said, stderr=said, text=True
        )
        return cls(home, outside, process)

    @property
    def said(self) -> str:
        return self.home.with_suffix(".said").read_text()

    def has_said(self, words: str) -> bool:
        assert self.process.poll() is None, self.said
        return words in self.said

    def make(self, target: str) -> str:
        """What ``make TARGET`` prints."""
        done = subprocess.run(
            [*MAKE, target],
            cwd=REPOSITORY,
            env=_environment(self.home, self.outside),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        """``make down``, after which there is no process, and no file outside its folder."""
        assert self.make("down").startswith("stopped process")
        wait_until(lambda: not processes_given("CUSTODY_HOME", self.home))
        assert list(self.outside.iterdir()) == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Demo]]:
    """Starts a clone's demonstration; each is stopped at the end."""
    started: list[Demo] = []

    def start(name: str) -> Demo:
        started.append(Demo.start(tmp_path / name))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.process.wait(timeout=60)
        shutil.rmtree(demo.outside)


def test_from_make_demo_to_an_approved_withdrawal_and_a_thief_refused(
    start: Callable[[str], Demo], browser: Browser
) -> None:
    demo = start("one")
    wait_until(lambda: demo.has_said(LAST_WORDS), seconds=300)
    here = LINK.search(demo.said)
    assert here, demo.said
    assert len([line for line in demo.said.splitlines() if line.startswith("  ") and _is_a_command(line)]) == 4
    assert here[1].endswith(f":{_port(demo)}")

    person = Person.at(browser, here[1])
    person.register(here[1] + here[2])
    # A second clone's starts while the passkey cools.
    other = start("two")
    told = demo.make("welcome")
    assert "bob and carol signed it with their own keys" in told
    assert "a new passkey cools before it counts" in told
    wait_until(lambda: other.has_said("api is up"), seconds=300)
    assert _port(other) != _port(demo)
    other.end()
    person.sign_in()
    person.page.set_viewport_size({"width": 1100, "height": 620})
    pictures.keep(person.page, "queue")
    withdrawal = re.search(r"wdr_\w{26}", demo.said)
    assert withdrawal
    person.page.click("a[href*='/console/intents/'] >> nth=0")
    person.page.click("button[value=approve]")
    person.page.wait_for_selector("#passkey")
    assert person.sign() == 201
    person.page.click("text=Back to this one")
    assert _watched(demo, withdrawal[0]) == 0
    person.page.wait_for_selector("main >> text=completed")

    told = demo.make("cheat")
    assert "refuses, request-not-proven" in told
    assert "nothing was signed and nothing was sent; the withdrawal is failed, its money free" in told
    pictures.keep_terminal(browser, _words(demo), "cosigner")
    told = demo.make("api-tour")
    assert re.findall(r"^(\d+)\. ", told, re.MULTILINE) == [str(number) for number in range(1, 13)]
    assert "rightly signed" in told
    demo.end()


def _port(demo: Demo) -> str:
    found = re.search(r"^CUSTODY_API_PORT=(\d+)$", (demo.home / "env").read_text(), re.MULTILINE)
    assert found
    return found[1]


def _is_a_command(line: str) -> bool:
    return line.strip().startswith(("open ", "xdg-open ", "make ", ".venv/bin/custody "))


def _watched(demo: Demo, withdrawal: str) -> int:
    """The exit code of the third command that is printed."""
    program = [sys.executable, "-m", "custody.cli.main", "--env", str(demo.home / "env")]
    assert f".venv/bin/custody withdrawal watch {withdrawal}" in demo.said
    done = subprocess.run([*program, "withdrawal", "watch", withdrawal], cwd=REPOSITORY, check=False, timeout=300)
    return done.returncode


def _words(demo: Demo) -> str:
    """What one who signed said of the payment that people approved, and of the thief's."""
    for name in ("north", "south", "west"):
        said = (demo.home / "logs" / f"cosigner {name}.log").read_text()
        signed = re.search(r"^Pay (?:(?!^Pay ).)*?waiting for you(?:(?!^Pay ).)*?: signed, .*?$", said, re.M | re.S)
        refused = re.search(r"^bnd_\w+: refused, request-not-proven.*$", said, re.MULTILINE)
        if signed and refused:
            return f"{signed[0]}\n\n{refused[0]}"
    raise AssertionError("no cosigner both signed the payment and refused the thief's")


def _environment(home: Path, outside: Path) -> dict[str, str]:
    """With ``outside`` for whatever a program would leave elsewhere; what is fetched once for all clones stays."""
    fetched = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    own = {"CUSTODY_HOME": str(home), "BRIEF": "1", "HOME": str(outside), "TMPDIR": str(outside)}
    return {**os.environ, **plain_environment(), **own, "XDG_CACHE_HOME": fetched}
