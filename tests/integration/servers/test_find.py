"""Components are found in the promised order, and a missing one is one line that says what to do."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from demo import find
from demo.find import MissingComponent, anvil_program, bitcoind_program, broker_program, postgres_bin

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on PATH, nothing in the cache, no wheel with a program in it, no Debian folder."""
    for variable in ("POSTGRES_BIN", "REDIS_SERVER", "BITCOIND", "ANVIL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(find, "_inside_wheel", lambda package, pattern: [])
    monkeypatch.setattr(find, "_system_postgres", list)
    monkeypatch.setattr(find, "EVM_PACKAGES", tmp_path / "node_modules")
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_says_what_to_install_for_each_component(bare_machine: Path) -> None:
    with pytest.raises(MissingComponent) as postgres:
        postgres_bin()
    with pytest.raises(MissingComponent) as broker:
        broker_program()
    with pytest.raises(MissingComponent) as bitcoind:
        bitcoind_program()
    with pytest.raises(MissingComponent) as anvil:
        anvil_program()
    for error, words in (
        (postgres, "apt install postgresql; macOS: brew install postgresql; or set POSTGRES_BIN"),
        (broker, "apt install redis-server; macOS: brew install redis; or set REDIS_SERVER"),
        (bitcoind, "apt install bitcoind; macOS: brew install bitcoin; or set BITCOIND"),
        (anvil, "or set ANVIL"),
    ):
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_takes_what_path_has_before_what_the_cache_has(bare_machine: Path) -> None:
    cached = program(bare_machine / "cache" / "custody-bitcoind" / "bin" / "bitcoind")
    assert bitcoind_program() == cached
    assert bitcoind_program() == bitcoind_program(fetch=False)
    on_path = program(bare_machine / "bitcoind")
    assert bitcoind_program() == on_path


def test_runs_the_binary_inside_the_npm_package_when_path_has_no_anvil(bare_machine: Path) -> None:
    packed = program(bare_machine / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil")
    assert anvil_program() == packed
    on_path = program(bare_machine / "anvil")
    assert anvil_program() == on_path


def test_says_how_to_get_an_anvil_where_none_is_locked(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, words in (("x86_64", "apt install npm"), ("aarch64", "no package is locked for this machine")):
        monkeypatch.setattr(platform, "system", lambda: "Linux")
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        with pytest.raises(MissingComponent, match=words):
            anvil_program()


def test_takes_what_a_variable_names_before_anything_else(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare_machine / "redis-server")
    named = program(bare_machine / "elsewhere" / "my-valkey")
    monkeypatch.setenv("REDIS_SERVER", str(named))
    assert broker_program() == named


@pytest.mark.parametrize("variable", ["POSTGRES_BIN", "REDIS_SERVER", "BITCOIND", "ANVIL"])
def test_never_replaces_what_a_variable_names_wrongly(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    looks = {
        "POSTGRES_BIN": postgres_bin,
        "REDIS_SERVER": broker_program,
        "BITCOIND": bitcoind_program,
        "ANVIL": anvil_program,
    }
    monkeypatch.setenv(variable, str(bare_machine / "nothing-here"))
    with pytest.raises(MissingComponent, match=f"{variable} names no "):
        looks[variable]()


def test_ends_with_2_and_one_line_and_no_traceback() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "demo.find"],
        cwd=REPOSITORY,
        env={**os.environ, "BITCOIND": "/nonexistent/bitcoind"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr == "error: bitcoind: BITCOIND names no program that can be run\n"


@pytest.mark.parametrize("script", [find.GET_BITCOIND, find.GET_SOFTHSM], ids=lambda script: script.stem)
def test_never_unpacks_what_has_a_signature_that_cannot_be_checked(tmp_path: Path, script: Path) -> None:
    run = subprocess.run(
        ["bash", script, tmp_path / "prefix"],
        env={**os.environ, "DEBIAN_KEYRING": str(tmp_path / "missing.gpg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert "debian-archive-keyring is needed" in run.stderr
    assert not (tmp_path / "prefix").exists()


def test_says_in_one_line_that_there_is_no_softhsm(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_LIBRARIES", (bare_machine,))
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare_machine / "cache"))
    monkeypatch.delenv("SOFTHSM2_MODULE", raising=False)
    with pytest.raises(MissingComponent) as missing:
        find.softhsm()
    assert missing.value.field == "softhsm"
    assert "apt install softhsm2" in str(missing.value)
    assert "\n" not in str(missing.value)
    monkeypatch.setenv("SOFTHSM2_MODULE", str(bare_machine / "nothing-here"))
    with pytest.raises(MissingComponent, match="SOFTHSM2_MODULE names no file"):
        find.softhsm()
