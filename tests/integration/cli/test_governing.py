"""Commands that stop, let go, resolve and list: the words people type, and what the house makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.listings import queries as listings
from custody.stops import queries as stops
from tests.cosigner.builders import address, person_key
from tests.integration.cli.conftest import Answer, Command
from tests.integration.listings.test_listings import KNOWN, LIKE
from tests.integration.reconciliation.stage import Stage
from tests.integration.reconciliation.test_resolving import found
from tests.support.governing import carry_out

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    made = {}
    for name in ("exchange", "alice", "bob", "carol"):
        path = tmp_path / f"{name}.pem"
        path.write_bytes(person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made[name] = str(path)
    return made


class Desk:
    """Whoever types."""

    def __init__(self, command: Command, keys: dict[str, str], tokens: dict[str, str]) -> None:
        self.command, self.keys, self.tokens = command, keys, tokens

    def says(self, who: str, *words: str) -> Answer:
        """A command of this person's, agreed to beforehand."""
        given = ("--as", who, "--key", self.keys[who], "--token-file", self.tokens[who])
        return self.command(*words, *given, *(() if words[:2] == ("listing", "confirm") else ("--yes",)))


@pytest.fixture
def desk(command: Command, keys: dict[str, str], tokens: dict[str, str]) -> Desk:
    return Desk(command, keys, tokens)


def test_one_person_freezes_and_two_let_go(stage: Stage, desk: Desk, command: Command) -> None:
    stage.open("acme")
    answer = desk.says("alice", "freeze", "client", "acme", "--purpose", "stolen laptop", "--format", "json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["state"] == "approved"
    assert [row["subject"] for row in command("freezes", "--format", "json").json] == ["acme"]  # type: ignore[attr-defined]
    asked = desk.says("alice", "unfreeze", "client", "acme", "--purpose", "new laptop", "--format", "json")
    digest = json.loads(asked.out)["digest"]
    for person in ("bob", "carol"):
        assert desk.says(person, "approve", digest).code == 0
    carry_out(stage.db, digest)
    with stage.db.unit() as unit:
        assert stops.names(unit.session) == ()


def test_resolves_a_break(stage: Stage, desk: Desk, command: Command) -> None:
    stage.open("acme")
    stage.fund("acme")
    found(stage, stage.vault("acme"))
    (row,) = command("break", "list", "--format", "json").json  # type: ignore[misc]
    asked = desk.says("alice", "break", "resolve", row["id"], "explained", "--purpose", "a pause", "--format", "json")
    assert asked.code == 0, asked.err
    assert json.loads(asked.out)["tally"]["missing"] == {"operators": 2}


def test_lists_confirms_and_removes_a_destination(stage: Stage, desk: Desk) -> None:
    stage.open("acme")
    for place in (KNOWN, LIKE):
        asked = desk.says(
            "alice",
            "listing",
            "add",
            place,
            "--client",
            "acme",
            "--label",
            "cold",
            "--purpose",
            "m",
            "--format",
            "json",
        )
        assert asked.code == 0, asked.err
        digest = json.loads(asked.out)["digest"]
        assert desk.says("bob", "approve", digest).code == 0
        carry_out(stage.db, digest)
    wrong = desk.says("carol", "listing", "confirm", digest, "--destination", KNOWN)
    assert (wrong.code, wrong.err.splitlines()[-1].split(":")[1]) == (2, " destination")
    right = desk.says("carol", "listing", "confirm", digest, "--destination", LIKE)
    assert right.code == 0, right.err
    with stage.db.unit() as unit:
        assert [each.destination for each in listings.every(unit.session)] == [KNOWN, LIKE]


def test_asks_for_any_kind_by_its_fields(stage: Stage, desk: Desk) -> None:
    stage.open("acme")
    answer = desk.says(
        "alice", "intent", "create", "freeze", "scope=vault", f"subject={stage.vault('acme')}", "--purpose", "why"
    )
    assert (answer.code, "Stop vault" in answer.out) == (0, True)
    opening = ("client=birch", "name=Birch", "segregation=segregated", "keyset=kst_demo", "branch=999")
    assert desk.says("alice", "intent", "create", "client_opening", *opening).code == 0


@pytest.mark.parametrize(
    ("words", "code", "names"),
    [
        (("freeze", "cleint", "acme", "--purpose", "x"), 2, "No such command 'cleint'. Did you mean 'client', 'list'?"),
        (("unfreeze", "cleint", "acme", "--purpose", "x"), 2, "request.scope"),
        (("freeze", "client", "nobody", "--purpose", "x"), 3, "client"),
        (("unfreeze", "client", "acme", "--purpose", "x"), 1, "request.subject"),
        (("break", "resolve", "brk_none", "explained", "--purpose", "x"), 3, "request.subject"),
        (("break", "resolve", "brk_none", "ignored", "--purpose", "x"), 2, "request.resolution"),
        (("intent", "create", "gift", "to=me"), 2, "kind"),
        (("intent", "create", "freeze", "scope"), 2, "fields"),
        (("intent", "create", "freeze", "scope=client", "--purpose", "x"), 2, "freeze.subject"),
        (("intent", "create", "freeze", "scope=client", "subject=a b", "--purpose", "x"), 2, "freeze.subject"),
        (("listing", "add", "nonsense", "--client", "acme", "--label", "l", "--purpose", "x"), 2, "destination"),
        (("listing", "remove", address("x"), "--client", "acme", "--purpose", "x"), 1, "request.destination"),
    ],
)
def test_says_in_one_line_what_is_wrong_and_writes_nothing(
    stage: Stage, desk: Desk, words: tuple[str, ...], code: int, names: str
) -> None:
    stage.open("acme")
    before = stage.dump()
    answer = desk.says("alice", *words)
    assert (answer.code, answer.err.splitlines()[-1].removeprefix("error: ").split(": ")[0]) == (code, names)
    assert stage.dump() == before
