"""What a clone needs and a machine lacks: ``make demo`` says it in one line, with the way to get it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo import find
from demo.__main__ import main

REPOSITORY = Path(__file__).parents[3]
TOOLS = ("make", "sh", "bash", "awk", "date", "touch", "mkdir", "uname", "dirname", "grep", "sed", "cat", "tr", "chmod")
NEEDED = ("Makefile", "pyproject.toml", "requirements/build.txt", "requirements/dev.txt")
FILES = (*NEEDED, "demo/evm/package.json", "demo/evm/package-lock.json")
REAL_PYTHON = f'exec {sys.executable} "$@"'
VENV = 'mkdir -p .venv/bin; printf "#!/bin/sh\\n%s\\n" "$ENDS" >.venv/bin/pip; chmod +x .venv/bin/pip; exit'
NOISY = "echo Traceback >&2; echo ERROR: no route to host >&2; exit 1"

Machine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A clone on a machine that has these programs (name to what a shell runs for it) beside the plainest tools."""
    clone, path = tmp_path / "clone", tmp_path / "bin"
    path.mkdir()
    for name in FILES:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, clone / name)
    for name in TOOLS:
        (path / name).symlink_to(str(shutil.which(name)))

    def make(*arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
        for name, does in programs.items():
            (path / name).unlink(missing_ok=True)
            (path / name).write_text(f"#!/bin/sh\n{does}\n")
            (path / name).chmod(0o755)
        environment = {"PATH": str(path), "HOME": str(tmp_path), "ENDS": NOISY}
        return subprocess.run(
            ["make", *arguments, "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False
        )

    return make


MISSING = {
    "no python": ({}, "python: no python3 found (Debian/Ubuntu: apt install python3 python3-venv; macOS: brew install"),
    "an old python": ({"python3": "exit 1"}, "python: python3 is older than 3.11; set PYTHON to a newer one"),
    "no venv": (
        {"python3": f'case "$*" in *ensurepip*) exit 1;; esac; {REAL_PYTHON}'},
        "python: the venv module is missing (Debian/Ubuntu: apt install python3-venv)",
    ),
    "no registry for pip": (
        {"python3": f'case "$*" in "-m venv .venv") {VENV};; esac; {REAL_PYTHON}'},
        "packages: pip could not install the locked ones: is its registry reachable? .venv/pip.log has",
    ),
}
MISSING_OF_EVM = {
    "no npm": (
        {"node": "exit"},
        "npm: is not on this machine (Debian/Ubuntu: apt install npm; macOS: brew install node;",
    ),
    "no node": ({"npm": "exit"}, "node: is not on this machine (Debian/Ubuntu: apt install npm; macOS: brew install"),
    "no registry for npm": (
        {"node": "exit", "npm": NOISY},
        "npm: the locked anvil could not be installed: is its registry reachable? .custody/npm.log has what npm said",
    ),
    "another machine": ({"uname": "echo Darwin arm64"}, "anvil: no package is locked for this machine (put Foundry's"),
}


@pytest.mark.parametrize("what", MISSING)
def test_says_what_the_environment_lacks(machine: Machine, what: str) -> None:
    programs, words = MISSING[what]
    _expect_one_line(machine(**programs), words)


@pytest.mark.parametrize("what", MISSING_OF_EVM)
def test_says_what_the_second_chain_lacks(machine: Machine, what: str) -> None:
    programs, words = MISSING_OF_EVM[what]
    _expect_one_line(machine("-o", ".venv/.stamp", **programs), words)


LACKING: dict[str, tuple[dict[str, Any], str]] = {
    "postgres": (
        {"_system_postgres": list, "_inside_wheel": lambda *_: []},
        "apt install postgresql; macOS: brew install postgresql",
    ),
    "broker": ({"_inside_wheel": lambda *_: []}, "apt install redis-server; macOS: brew install redis"),
    "bitcoind": ({"_cache": lambda: Path("/nonexistent")}, "apt install bitcoind; macOS: brew install bitcoin"),
    "anvil": ({"EVM_PACKAGES": Path("/nonexistent")}, "set ANVIL"),
}


@pytest.mark.parametrize("what", LACKING)
def test_says_which_server_the_machine_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """The demo itself, on a machine without that server and without apt: nothing is started."""
    lacking, words = LACKING[what]
    for name in ("POSTGRES_BIN", "REDIS_SERVER", "BITCOIND", "ANVIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUSTODY_HOME", str(tmp_path / "home"))
    for name, value in lacking.items():
        monkeypatch.setattr(find, name, value)
    assert main() == 2
    said = capsys.readouterr()
    assert re.fullmatch(rf"error: {what}: .*{re.escape(words)}.*", said.err.splitlines()[-1]), said.err
    assert said.out == ""


def test_says_that_the_tests_want_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(find.MissingComponent) as missing:
        find.chromium()
    said = str(missing.value)
    assert said.startswith("chromium: bash is needed to fetch one (Debian/Ubuntu: apt install chromium; macOS: brew ")
    assert "\n" not in said


def _expect_one_line(done: subprocess.CompletedProcess[str], words: str) -> None:
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert done.returncode != 0
    assert len(said) == 1, done.stderr
    assert said[0].startswith(f"error: {words}"), said[0]
    assert "Traceback" not in done.stdout
