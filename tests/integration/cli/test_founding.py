"""The ceremony of version 1 on the command line, with files: as operators, cosigners and the status service hold it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.cli.exits import DONE, INVALID, REFUSED, run
from custody.cli.main import app
from custody.cosigner.enrolment import consent, key_record
from custody.db import Database
from custody.evidence.trust_root import SignedTrustRoot
from custody.trust import operations as trust
from tests.cosigner.builders import DEMO_POLICY, cosigner_key, person_key
from tests.support.servers import FreshDatabase
from tests.support.status import STATUS_SERVICE
from tests.support.world import environment

PEOPLE = ("alice", "bob", "carol", "exchange")
COSIGNERS = ("north", "south", "east")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everybody's files, before anything is written down together."""
    monkeypatch.chdir(tmp_path)
    for name in PEOPLE:
        pem = person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(pem)
    for name in COSIGNERS:
        (tmp_path / f"{name}.json").write_text(json.dumps(key_record(cosigner_key(name)).to_json()))
    (tmp_path / "keeper.json").write_text(json.dumps(STATUS_SERVICE.to_json()))
    (tmp_path / "policy.yaml").write_text(DEMO_POLICY)
    return tmp_path


def introduced(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in PEOPLE:
        capsys.readouterr()
        assert run(app, ["trust", "person", "--key", f"{name}.pem", "--as", name]) == DONE
        (table / f"{name}.json").write_text(capsys.readouterr().out)


def founded(*changes: str) -> int:
    people = [argument for name in PEOPLE[:3] for argument in ("--operator", f"{name}.json")]
    records = [argument for name in COSIGNERS for argument in ("--record", f"{name}.json")]
    fixed = ["--name", "house", "--policy", "policy.yaml", "--requester", "exchange.json", "--service", "keeper.json"]
    return run(app, ["trust", "init", *fixed, *people, *records, "--out", "root.json", *changes])


def everybody_signed(table: Path) -> list[str]:
    root = SignedTrustRoot.parse(json.loads((table / "root.json").read_text())).root
    records = [key_record(cosigner_key(name)) for name in COSIGNERS]
    given = []
    for name in PEOPLE[:3]:
        arguments = [
            "trust",
            "sign",
            "root.json",
            "--key",
            f"{name}.pem",
            "--as",
            name,
            "--out",
            f"{name}.sig",
            "--yes",
        ]
        assert run(app, arguments) == DONE
        given += ["--signature", f"{name}.sig"]
    for name in COSIGNERS:
        (table / f"{name}.answer").write_text(json.dumps(consent(cosigner_key(name), root, records)))
        given += ["--answer", f"{name}.answer"]
    return given


def test_a_house_is_founded_by_files_and_its_root_is_put_in_force(
    table: Path, capsys: pytest.CaptureFixture[str], database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    introduced(table, capsys)
    assert founded() == DONE
    given = everybody_signed(table)
    assert run(app, ["trust", "gather", "root.json", "--policy", "policy.yaml", *given, "--out", "signed.json"]) == DONE
    for name, value in environment(database).items():
        monkeypatch.setenv(name, value)
    installing = ["--root", "signed.json", "--policy", "policy.yaml", "--consents", "consents.json"]
    assert run(app, ["trust", "install", *installing]) == DONE
    signed = SignedTrustRoot.parse(json.loads((table / "signed.json").read_text()))
    assert signed.root.cooling_seconds == 24 * 3600
    assert signed.root.services == (STATUS_SERVICE,)
    built = Database(database.app_url)
    with built.unit() as unit:
        assert trust.in_force(unit.session).root == signed.root
    built.dispose()


def test_nothing_is_gathered_while_somebody_is_missing(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    introduced(table, capsys)
    assert founded() == DONE
    given = everybody_signed(table)
    for place in (0, 6):
        capsys.readouterr()
        left = [*given[:place], *given[place + 2 :]]
        arguments = ["trust", "gather", "root.json", "--policy", "policy.yaml", *left, "--out", "signed.json"]
        assert run(app, arguments) == REFUSED
        assert "has not signed" in capsys.readouterr().err
    assert not (table / "signed.json").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (("--threshold", "1"), "threshold"),
        (("--threshold", "4"), "threshold"),
        (("--origin", "nowhere"), "origin"),
        (("--asset", "DEMO"), "asset"),
        (("--operator", "nobody.json"), "operator"),
        (("--operator", "alice.json"), "trust_root.operators"),
    ],
)
def test_a_root_nobody_should_sign_is_not_written(
    changes: tuple[str, ...], field: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    introduced(table, capsys)
    capsys.readouterr()
    assert founded(*changes) == INVALID
    assert field in capsys.readouterr().err
    assert not (table / "root.json").exists()


def test_a_ceremony_is_held_once(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    introduced(table, capsys)
    assert founded() == DONE
    assert founded() == INVALID


def test_nobody_signs_with_a_key_that_is_not_theirs(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    introduced(table, capsys)
    assert founded() == DONE
    arguments = ["trust", "sign", "root.json", "--key", "bob.pem", "--as", "alice", "--out", "alice.sig", "--yes"]
    assert run(app, arguments) == INVALID
    assert not (table / "alice.sig").exists()
