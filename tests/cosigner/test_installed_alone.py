"""The keyholder's program by itself: its own lock file, nothing of the daemon's beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAEMONS = (
    "celery", "sqlalchemy", "redis", "web3", "eth_account", "eth_abi", "fastapi", "psycopg", "zmq", "httpx", "pydantic",
)  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with requirements/cosigner.txt and this package, and nothing else."""
    place = tmp_path_factory.mktemp("alone")
    environment, source = place / "venv", place / "source"
    _run(sys.executable, "-m", "venv", str(environment))
    pip = [str(environment / "bin/pip"), "--disable-pip-version-check", "install", "-q"]
    _run(*pip, "--require-hashes", "-r", str(ROOT / "requirements/build.txt"))
    _run(*pip, "--require-hashes", "--no-build-isolation", "-r", str(ROOT / "requirements/cosigner.txt"))
    _copy_sources(source)
    _run(*pip, "--no-deps", "--no-build-isolation", str(source))
    return environment / "bin"


def test_the_program_starts(alone: Path, tmp_path: Path) -> None:
    said = _run(str(alone / "custody-cosigner"), "--help", cwd=tmp_path)
    assert "fetch bundles from the API" in said


@pytest.mark.parametrize("name", DAEMONS)
def test_nothing_of_the_daemons_can_be_imported(alone: Path, tmp_path: Path, name: str) -> None:
    command = [str(alone / "python"), "-c", f"import {name}"]
    done = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"No module named '{name}'" in done.stderr


def test_a_key_is_made_and_proves_itself(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse battery staple")
    program = [str(alone / "custody-cosigner"), "--home", str(tmp_path / "home")]
    secret = ("--passphrase-file", str(tmp_path / "passphrase"))
    backup = ("--backup-file", str(tmp_path / "backup"), "--scrypt-log2n", "12")
    assert "fingerprint" in _run(*program, "init", "--name", "n", "--network", "regtest", *backup, *secret)
    assert '"signature"' in _run(*program, "record", *secret)


def test_every_module_of_the_program_can_be_imported(alone: Path, tmp_path: Path) -> None:
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "custody/cosigner").rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    _run(str(alone / "python"), "-c", f"import {', '.join(sorted(modules))}", cwd=tmp_path)


@pytest.mark.parametrize("chain", ["bitcoin", "ethereum"])
def test_every_module_of_a_chain_without_a_node_can_be_imported(alone: Path, tmp_path: Path, chain: str) -> None:
    folder = ROOT / "custody/chains" / chain / "offline"
    paths = [path.relative_to(ROOT).with_suffix("") for path in folder.rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    _run(str(alone / "python"), "-c", f"import {', '.join(sorted(modules))}", cwd=tmp_path)


def _copy_sources(place: Path) -> None:
    # A copy: building in the tree would leave directories behind and race with another build there.
    place.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, place)
    shutil.copytree(ROOT / "requirements", place / "requirements")
    for package in ("custody", "policies", "config", "workers"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
