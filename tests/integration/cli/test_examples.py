"""Every example that help gives is run as it stands, on one house that has what the examples speak of."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.cli.exits import INTERRUPTED, INVALID, NOT_FOUND, REFUSED
from custody.cli.main import app
from custody.cosigner.enrolment import consent, key_record
from custody.evidence.keysets import keyset_consent_message
from custody.evidence.trust_root import SignedTrustRoot
from custody.judging.bundles import give_out
from custody.trust import operations as trust
from demo.servers import Bitcoind
from tests.architecture.pages import REPOSITORY
from tests.cosigner.builders import DEMO_POLICY, KEYSET, address, cosigner_key, person_key
from tests.integration.cli.conftest import Answer, Command
from tests.integration.cli.test_manners import examples
from tests.integration.listings.test_listings import KNOWN, LIKE
from tests.integration.reconciliation.stage import SEAL, Stage
from tests.integration.reconciliation.test_resolving import found
from tests.support import passkeys
from tests.support.governing import carry_out
from tests.support.notices import mailed_code
from tests.support.servers import FreshDatabase
from tests.support.status import STATUS_SERVICE, state_status
from tests.unit.cli.test_command_line import named_commands

NOT_HERE: Final[Mapping[str, tuple[int, str]]] = {
    "custody doctor": (REFUSED, ""),
    "custody event listen": (INTERRUPTED, "error: interrupted; say --after "),
    "custody payer resume": (NOT_FOUND, "error: account: no payer of regtest has this account"),
    "custody payer retry": (INVALID, "error: withdrawal: nothing of it waits for a person"),
    "custody strays return": (INVALID, "error: txid: names 0 strays"),
    "custody withdrawal respend": (REFUSED, "error: request.of: a payment on this chain is replaced by a higher fee"),
}
"""Where this house has no such trouble, what is said of that: no broker, no payer, nothing astray. What follows events
does so until somebody ends it."""
OF_OPERATORS: Final = ("withdrawal bump", "withdrawal respend", "rotation", "intent")
"""What the file ``token`` is an operator's for."""
DOCUMENTS: Final = (".json", ".yaml", ".approval")
"""How the files end that examples read, and that are no secrets."""
FOUNDERS: Final = ("alice", "bob", "exchange")
COSIGNERS: Final = ("north", "south", "east")


@pytest.fixture
def stage(database: FreshDatabase, chain: Bitcoind) -> Stage:
    """A house with a console, for invitations and passkeys."""
    found = Stage(database.db, chain)
    found.world = passkeys.world()
    found.hold_ceremony()
    return found


class Person(io.StringIO):
    """Somebody at a terminal who agrees to what they are asked."""

    def isatty(self) -> bool:
        return True


class Reader:
    """Whoever tries what help says, one command after the other, with ids of this house in the place of dots."""

    def __init__(self, command: Command, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command, self.stage, self.patch = command, stage, monkeypatch
        self.examples = {
            name: examples(each.help or "") for name, each in named_commands(app, "custody") if not each.hidden
        }
        self.tried: set[str] = set()
        self.piped: set[tuple[str, str | int]] = set()
        """Parameters that took a document from standard input."""
        self.names = {
            "cli_…": "acme",
            "ethereum": "regtest",
            "ASSET": stage.asset,
            "0x…": "0x" + "11" * 32,
            "kst_…/7": stage.vault("acme"),
            "kst_demo/7": stage.vault("acme"),
            "exchange.example/": "93.184.216.34/",
        }

    def tries(self, *names: str, **changes: str) -> Answer:
        """Run each example of these commands; what the last said. ``changes`` stand in the place of ``names``' own."""
        for name in names:
            full = f"custody {name}"
            for example in self.examples[full]:
                answer = self._run(full, example, {**self.names, **changes})
            self.tried.add(full)
        return answer

    def one(self, name: str, part: str, **changes: str) -> Answer:
        """Run the one example of a command in which ``part`` stands."""
        full = f"custody {name}"
        (example,) = [each for each in self.examples[full] if part in each]
        self.tried.add(full)
        return self._run(full, example, {**self.names, **changes})

    def _run(self, name: str, example: str, names: Mapping[str, str]) -> Answer:
        words = shlex.split(example)[1:]
        words = [re.sub("|".join(map(re.escape, names)), lambda hit: names[hit[0]], word) for word in words]
        who = "alice" if name.removeprefix("custody ").startswith(OF_OPERATORS) else "exchange"
        Path("token").write_text(Path(f"{who}.token").read_text() if Path(f"{who}.token").is_file() else "")
        self.patch.setattr("sys.stdin", Person("y\n" * 3))
        answer = self.command(*words)
        code, said = NOT_HERE.get(name, (0, ""))
        assert answer.code == code, (words, answer.err)
        assert (answer.err.splitlines() or [""])[-1].startswith(said), (words, answer.err)
        assert "Traceback" not in answer.err, answer.err
        self._pipe(name, words)
        for kind in ("whe", "job", "brk", "evt", "wdr"):
            for identity in re.findall(rf"\b{kind}_[0-9a-zA-Z]{{20,}}\b", answer.out):
                self.names[f"{kind}_…"] = identity
        return answer

    def _pipe(self, name: str, words: list[str]) -> None:
        """Run it once more for each document among its words, with that on standard input: all of it is read."""
        for place, word in enumerate(words):
            parameter = (name, words[place - 1] if words[place - 1].startswith("--") else place)
            if word.endswith(DOCUMENTS) and words[place - 1] != "--out" and Path(word).is_file():
                if parameter in self.piped or name == "custody verify":
                    continue
                piped = io.TextIOWrapper(io.BytesIO(Path(word).read_bytes()))
                self.patch.setattr("sys.stdin", piped)
                again = [*words[:place], "-", *words[place + 1 :]]
                if "--out" in again:
                    again[again.index("--out") + 1] = f"again-{len(self.piped)}"
                answer = self.command(*again)
                assert piped.buffer.read() == b"", (again, answer.err)
                self.piped.add(parameter)


@pytest.fixture
def reader(
    command: Command,
    api: str,
    stage: Stage,
    tokens: dict[str, str],
    tmp_path: Path,
    database: FreshDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    """With every file in the folder that examples name."""
    for name in tokens:
        key = person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(key)
    message = keyset_consent_message(stage.world.keyset)
    given = [{"key": name, "signature": cosigner_key(name).sign_statement(message)} for name in COSIGNERS]
    facts = {"kind": "client_opening", "requester": "exchange", "now": "2026-11-22T12:00:00Z", "client": "cli_1"}
    for name, content in {
        "root.json": stage.world.signed_root.to_json(),
        "consents.json": given,
        "facts.json": facts,
        "passkey.json": passkeys.Passkey("another").credential.to_json(),
    }.items():
        (tmp_path / name).write_text(json.dumps(content))
    for name, text in {
        "demo.yaml": DEMO_POLICY,
        "old.yaml": DEMO_POLICY,
        "mine.yaml": DEMO_POLICY,
        "new.yaml": DEMO_POLICY.replace("version: 1\n", "version: 2\n", 1),
    }.items():
        (tmp_path / name).write_text(text)
    for folder in ("documents", "cases", "invariants"):
        (tmp_path / "policies" / folder).mkdir(parents=True)
        shutil.copy(REPOSITORY / "policies" / folder / "demo.yaml", tmp_path / "policies" / folder)
    monkeypatch.setenv("CUSTODY_OWNER_URL", database.owner_url)
    return Reader(command, stage, monkeypatch)


def test_every_example_in_help_runs_as_it_stands(
    reader: Reader, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ceremony, payments, listings, webhooks, rules and trouble: no command is left out, and none surprises."""
    monkeypatch.chdir(_before_the_ceremony(tmp_path / "ceremony"))
    _ceremony(reader)
    monkeypatch.chdir(tmp_path)
    stage.open("acme")
    for _ in range(3):
        stage.deposit("acme", 30_000_000)
    stage.mine(6)
    _payments(reader, stage)
    _reading(reader, stage)
    _listings(reader, stage)
    _webhooks(reader, monkeypatch)
    _rules(reader)
    _trouble(reader, stage)
    assert reader.tried == set(reader.examples)
    assert len(reader.piped) >= 30, sorted(map(str, reader.piped))


def _before_the_ceremony(folder: Path) -> Path:
    """What people and cosigners bring to one; its policy is of two operators."""
    folder.mkdir()
    for name in FOUNDERS:
        shutil.copy(folder.parent / f"{name}.pem", folder)
    for name in COSIGNERS:
        (folder / f"{name}.json").write_text(json.dumps(key_record(cosigner_key(name)).to_json()))
    (folder / "keeper.json").write_text(json.dumps(STATUS_SERVICE.to_json()))
    (folder / "exchange.yaml").write_text(DEMO_POLICY.replace("[alice, bob, carol]", "[alice, bob]"))
    return folder


def _ceremony(reader: Reader) -> None:
    for name in FOUNDERS:
        introduced = reader.tries("trust person", alice=name)
        Path(f"{name}.json").write_text(introduced.out)
    reader.tries("trust init")
    for name in FOUNDERS[:2]:
        reader.tries("trust sign", alice=name)
    root = SignedTrustRoot.parse(json.loads(Path("root.json").read_text())).root
    records = [key_record(cosigner_key(name)) for name in COSIGNERS]
    for name in COSIGNERS:
        Path(f"{name}.consent.json").write_text(json.dumps(consent(cosigner_key(name), root, records)))
    reader.tries("trust gather")


def _payments(reader: Reader, stage: Stage) -> None:
    def asked(key: str, amount_sat: int = 6_000_000) -> str:
        return stage.request("acme", amount_sat, key=key).id

    reader.tries("withdrawal create", **{"bcrt1…": address("somebody")})
    reader.one("approve", "wdr_…", **{"wdr_…": asked("approved")})
    reader.tries("reject", **{"wdr_…": asked("rejected")})
    reader.tries("withdrawal cancel", **{"wdr_…": asked("cancelled")})
    for key in ("ended", "sent"):
        name = asked(key, 1_000_000)
        stage.compose(name)
        if key == "sent":
            reader.tries("withdrawal respend", **{"wdr_…": name})
            _verify_a_bundle(reader, stage)
        stage.sign(name)
        stage.send(name)
        if key == "ended":
            stage.mine(6)
            reader.tries("withdrawal watch", **{"wdr_…": name})
    reader.tries("withdrawal bump", "withdrawal show", "payer retry", "withdrawal list", **{"wdr_…": name})
    reader.names["DIGEST"] = stage.get(asked("waiting")).digest
    reader.tries("intent show", "intent list", "queue")


def _verify_a_bundle(reader: Reader, stage: Stage) -> None:
    state_status(stage.db)
    with stage.db.unit() as unit:
        root = trust.in_force(unit.session).root
        (document, *_) = give_out(unit.session, cosigner="north", keysets=[KEYSET], root=root, now=unit.now)
    Path("bundle.json").write_text(json.dumps(document))
    reader.one("verify", "bundle.json")


def _reading(reader: Reader, stage: Stage) -> None:
    rows = json.loads(reader.command("deposit", "list", "--format", "json").out)
    mine = json.loads(reader.command("address", "list", "--client", "acme", "--format", "json").out)
    reader.names |= {"dep_…": rows[0]["id"], "bcrt1…": mine[0]["address"]}
    reader.tries(
        *("reconcile", "table", "health", "stuck", "freezes", "exit-codes", "completion", "whoami", "doctor"),
        *("openapi", "invariants check", "state dump", "freeze list", "config show", "account show", "api sign"),
        *("assets list", "assets check", "audit list", "audit export", "audit verify", "balance list", "client list"),
        *("client show", "address list", "address show", "deposit list", "deposit show", "destination list"),
        *("destination held", "entry list", "event list", "people list", "people groups", "pledge list"),
        *("payer list", "payer resume", "price list", "reconciliation show", "reconciliation list", "trust show"),
        *("reconciliation coverage", "strays returned", "strays return", "trust log", "trust install", "vault list"),
        *("vault show", "vault keysets", "vault export", "vault verify", "notice set", "notice switch", "notice list"),
        *("console invite", "db upgrade", "rotation plan", "rotation status", "rotation start"),
    )
    reader.tries("entry show", **{"17": "1"})
    reader.tries("notice confirm", **{"12345678": mailed_code(stage.db, SEAL, "bob")})


def _listings(reader: Reader, stage: Stage) -> None:
    for place in (KNOWN, LIKE):
        reader.tries("listing add", **{"bcrt1…": place})
        digest = json.loads(reader.command("queue", "--token-file", "alice.token", "--format", "json").out)[-1][
            "digest"
        ]
        reader.one("approve", "wdr_…", **{"wdr_…": digest})
        carry_out(stage.db, digest)
    reader.tries("listing confirm", **{"DIGEST": digest, "bcrt1…": LIKE})
    reader.tries("listing list")
    reader.tries("listing remove", **{"bcrt1…": KNOWN})


def _webhooks(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.names["evt_…"] = json.loads(reader.command("event", "list", "--format", "json").out)[0]["id"]
    reader.tries("event show", "webhook create", "webhook list", "webhook show", "event resend", "webhook deliveries")
    reader.tries("webhook attempts", "webhook resend", "job show", "event trigger", "webhook rotate")
    reader.tries("webhook disable", "webhook enable")

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("custody.cli.events.time", SimpleNamespace(sleep=interrupted))
    reader.tries("event listen")


def _rules(reader: Reader) -> None:
    reader.tries("policy check", "policy test", "policy explain", "policy prove", "policy diff", "policy simulate")
    reader.tries("policy show", "passkey propose")
    reader.one("approve", "proposal.json")
    reader.tries("verdict hand-in")
    Path("proposal.json").unlink()
    reader.tries("trust propose")
    reader.one("verify", "proposal.json")


def _trouble(reader: Reader, stage: Stage) -> None:
    reader.tries("freeze client", "unfreeze", "freeze vault", "freeze asset", "freeze everything")
    found(stage, stage.vault("acme"))
    (row,) = json.loads(reader.command("break", "list", "--format", "json").out)
    reader.names["brk_…"] = row["id"]
    reader.tries("break list", "break show", "intent create", "break resolve", "db restored")
