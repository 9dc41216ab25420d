"""The program itself: every command by its arguments, files and exit codes, and the API it speaks to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import coincurve
import pytest

from custody.chains.bitcoin.offline.psbt import parse_psbt, verified_signatures
from custody.cosigner.main import main
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Bundle, Refusal
from custody.evidence.keysets import check_consents, key_record_message
from custody.evidence.signatures import Signature
from custody.evidence.words import digest_code
from tests.cosigner.builders import PASSPHRASE, World, cosigner_key, words_of

DONE, REFUSED, INVALID, UNREACHABLE, WAITING = 0, 1, 2, 5, 8
ROOT = Path(__file__).parents[2]


@dataclass
class Keyholder:
    """A home and how to run the program in it."""

    name: str
    directory: Path

    @property
    def home(self) -> Path:
        return self.directory / self.name

    def arguments(self, *arguments: str) -> list[str]:
        return ["--home", str(self.home), *arguments]

    def run(self, *arguments: str) -> int:
        return main(self.arguments(*arguments))

    def run_open(self, *arguments: str) -> int:
        return self.run(*arguments, "--passphrase-file", self.write("passphrase", PASSPHRASE + "\n"))

    def write(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def init(self, *extra: str) -> int:
        words = self.write(f"{self.name}.words", words_of(self.name))
        given = ("--mnemonic-file", words, "--scrypt-log2n", "12", "--network", "regtest")
        return self.run_open("init", "--name", self.name, *given, *extra)

    def pin(self, world: World) -> int:
        root = self.write("root.json", json.dumps(world.signed_root.to_json()))
        return self.run("pin", "--root", root, "--fingerprint", digest_code(world.root.hash))


@pytest.fixture
def live() -> World:
    """A world of today: the program reads its own clock."""
    return World(now=datetime.now(UTC))


@pytest.fixture
def north(tmp_path: Path) -> Keyholder:
    keyholder = Keyholder("north", tmp_path)
    assert keyholder.init() == DONE
    return keyholder


@pytest.fixture
def pinned(north: Keyholder, live: World) -> Keyholder:
    assert north.pin(live) == DONE
    return north


def _live_bundle(world: World, **changes: Any) -> Bundle:
    from dataclasses import replace
    from datetime import timedelta

    request = world.withdrawal("acme", 2_000_000, not_after=world.now.replace(microsecond=0) + timedelta(days=1))
    payment = world.payment(request, branch=7)
    psbt = world.transaction([payment], [world.coin(7, 10_000_000)], fee_sat=3_000)
    bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, name=changes.pop("name", "bnd_1"))
    return replace(bundle, **changes)


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


# Making a key


def test_init_makes_a_private_home_and_says_the_public_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    north = Keyholder("north", tmp_path)
    assert north.init() == DONE
    account, out = cosigner_key("north").header.account_key, capsys.readouterr().out
    assert f"fingerprint {account.fingerprint}" in out
    assert account.text in out
    assert north.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in north.home.iterdir()} == {0o600}


def test_init_shows_and_stores_no_secret_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    north = Keyholder("north", tmp_path)
    assert north.init() == DONE
    captured = capsys.readouterr()
    stored = "".join(path.read_bytes().decode("latin-1") for path in north.home.iterdir())
    written = captured.out + captured.err + stored
    assert "north" in written
    assert PASSPHRASE not in written
    assert words_of("north")[:30] not in written
    assert "prv" not in captured.out + (north.home / "key.json").read_text()


def test_init_writes_new_words_to_a_private_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east, backup = Keyholder("east", tmp_path), tmp_path / "backup"
    arguments = ("init", "--name", "east", "--network", "regtest", "--scrypt-log2n", "12")
    assert east.run_open(*arguments, "--backup-file", str(backup)) == DONE
    assert len(backup.read_text().split()) == 24
    assert backup.stat().st_mode & 0o777 == 0o600
    assert backup.read_text().strip() not in capsys.readouterr().out


def test_init_refuses_to_make_words_that_nobody_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east = Keyholder("east", tmp_path)
    assert east.run_open("init", "--name", "east", "--network", "regtest", "--show-mnemonic") == INVALID
    assert "mnemonic" in _error(capsys)
    assert not east.home.exists()


def test_init_refuses_a_home_that_has_a_key(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert north.init() == INVALID
    assert "home" in _error(capsys)


def test_init_refuses_a_network_nobody_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    east = Keyholder("east", tmp_path)
    words = east.write("words", words_of("east"))
    assert east.run_open("init", "--name", "east", "--network", "litecoin", "--mnemonic-file", words) == INVALID
    assert "network" in _error(capsys)


def test_refuses_a_wrong_passphrase_without_repeating_it(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    wrong = north.write("wrong", "incorrect horse\n")
    assert north.run("record", "--passphrase-file", wrong) == REFUSED
    assert "incorrect horse" not in _error(capsys)


def test_refuses_a_home_that_others_may_read(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    north.home.chmod(0o750)
    assert north.run_open("record") == INVALID
    assert "0700" in _error(capsys)


def test_refuses_a_home_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Keyholder("nobody", tmp_path).run_open("record") == INVALID
    assert "init" in _error(capsys)


# Joining a keyset


def test_record_proves_the_account_key(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert north.run_open("record") == DONE
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"cosigner", "account_key", "chain", "public_key", "signature"}
    message = key_record_message(cosigner="north", account_key=found["account_key"], chain=found["chain"])
    key = coincurve.PublicKey(bytes.fromhex(found["public_key"]))
    assert key.verify(bytes.fromhex(found["signature"]), message, hasher=None)


def _consent(keyholder: Keyholder, world: World, records: list[dict[str, str]] | None = None) -> int:
    root = keyholder.write("root.json", json.dumps(world.root.to_json()))
    given = [record.to_json() for record in world.records] if records is None else records
    return keyholder.run_open("consent", "--root", root, "--records", keyholder.write("records", json.dumps(given)))


def test_consent_signs_the_keyset_and_the_root(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _consent(north, world) == DONE
    captured = capsys.readouterr()
    assert digest_code(world.root.hash) in captured.err
    answer = json.loads(captured.out)
    (consent,) = answer["consents"]
    assert consent["descriptor_hash"] == world.keyset.descriptor_hash
    others = [cosigner_key(name) for name in ("south", "east")]
    from custody.evidence.keysets import keyset_consent_message

    message = keyset_consent_message(world.keyset)
    given = [Signature(key.header.name, key.sign_statement(message)) for key in others]
    check_consents(world.keyset, (Signature("north", consent["signature"]), *given))
    member = world.keyset.cosigner("north")
    assert member
    assert member.verifies(bytes.fromhex(world.root.hash), answer["root_signature"]["signature"])


@pytest.mark.parametrize("tamper", ["missing", "forged", "other-key"])
def test_p077_consent_refuses_a_member_without_proof(
    north: Keyholder, world: World, tamper: str, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [record.to_json() for record in world.records]
    if tamper == "missing":
        records.pop()
    elif tamper == "forged":
        records[1]["signature"] = records[2]["signature"]
    else:
        records[1] = {**records[1], "account_key": records[2]["account_key"]}
    capsys.readouterr()
    assert _consent(north, world, records) == REFUSED
    assert "keyset." in _error(capsys)


def test_p077_consent_refuses_a_replaced_xpub_under_a_kept_fingerprint(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.adversarial.hostile import CASES
    from tests.adversarial.hostile_standing import p077_xpub_replaced_keeping_the_fingerprint_and_public_key as make

    assert make.__name__ in CASES
    case = make(world, None)  # type: ignore[arg-type]
    forged = north.write("root.json", json.dumps(case.bundle.trust_root.root.to_json()))
    records = north.write("records", json.dumps([record.to_json() for record in world.records]))
    capsys.readouterr()
    assert north.run_open("consent", "--root", forged, "--records", records) == INVALID
    assert "keyset.south.public_key" in _error(capsys)


def test_consent_refuses_a_keyset_without_us(north: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert _consent(north, World(cosigners=("west", "south", "east"))) == INVALID
    assert "north" in _error(capsys)


def test_pin_refuses_another_code_than_was_read_aloud(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    root = north.write("root.json", json.dumps(world.signed_root.to_json()))
    capsys.readouterr()
    code = digest_code("00" * 32)
    assert north.run("pin", "--root", root, "--fingerprint", code) == REFUSED
    assert "fingerprint" in _error(capsys)


def test_pin_refuses_a_root_that_not_everybody_signed(
    north: Keyholder, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = {**world.signed_root.to_json(), "signatures": []}
    root = north.write("root.json", json.dumps(signed))
    capsys.readouterr()
    assert north.run("pin", "--root", root, "--fingerprint", digest_code(world.root.hash)) == REFUSED
    assert "has not signed" in _error(capsys)


def test_pin_refuses_a_second_root(pinned: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert pinned.pin(World(requesters=("exchange", "other"))) == REFUSED
    assert "pinned already" in _error(capsys)


# Signing from a file


def test_show_says_what_would_happen_and_signs_nothing(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run("show", pinned.write("bundle", json.dumps(_live_bundle(live).to_json()))) == DONE
    assert "Pay 0.02000000 BTC" in capsys.readouterr().out
    assert [entry.kind for entry in Memory.open(pinned.home / "memory.sqlite").log()] == ["pinned"]


def test_sign_writes_signatures_the_daemon_takes(
    pinned: Keyholder, live: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = _live_bundle(live), tmp_path / "answer"
    assert (
        pinned.run_open("sign", pinned.write("bundle", json.dumps(bundle.to_json())), "--yes", "--out", str(out)) == 0
    )
    answer = json.loads(out.read_text())
    returned = parse_psbt(answer["psbt"])
    place = [cosigner.id for cosigner in live.keyset.cosigners].index("north")
    pubkey = live.branch(7).derive(change=False, index=0).pubkeys[place]
    assert verified_signatures(ours=parse_psbt(bundle.psbt), returned=returned, pubkeys=[pubkey])


def test_sign_gives_the_same_answer_again(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    source = pinned.write("bundle", json.dumps(_live_bundle(live).to_json()))
    answers = []
    for _ in range(2):
        capsys.readouterr()
        assert pinned.run_open("sign", source, "--yes") == DONE
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    assert [entry.kind for entry in Memory.open(pinned.home / "memory.sqlite").log()] == ["pinned", "signed"]


def test_sign_waits_for_a_person_who_is_not_there(
    pinned: Keyholder, live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cosigner.commands.is_person_there", lambda: False)
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(_live_bundle(live).to_json()))) == WAITING


@pytest.mark.parametrize(("said", "code"), [(True, DONE), (False, REFUSED)])
def test_sign_does_what_the_person_says(
    pinned: Keyholder, live: World, said: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cosigner.commands.is_person_there", lambda: True)
    monkeypatch.setattr("custody.cosigner.commands.ask_yes", lambda _question: said)
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(_live_bundle(live).to_json()))) == code


def test_a_refusal_is_signed_and_kept_to(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cosigner.commands.is_person_there", lambda: True)
    monkeypatch.setattr("custody.cosigner.commands.ask_yes", lambda _question: False)
    source = pinned.write("bundle", json.dumps(_live_bundle(live).to_json()))
    capsys.readouterr()
    assert pinned.run_open("sign", source) == REFUSED
    first = json.loads(capsys.readouterr().out)
    refusal = Refusal.parse(first["refusal"])
    assert refusal.reason == "person-declined"
    member = live.keyset.cosigner("north")
    assert member
    assert member.verifies(refusal.message, first["signature"])
    assert pinned.run_open("sign", source, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out) == first
    again = pinned.write("again", json.dumps(_live_bundle(live, name="bnd_2").to_json()))
    assert pinned.run_open("sign", again, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "refused-before"


def test_never_signs_a_refusal_of_a_transaction_it_signed(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = _live_bundle(live)
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(bundle.to_json())), "--yes") == DONE
    broken = {**bundle.to_json(), "openings": [], "payments": []}
    capsys.readouterr()
    assert pinned.run_open("sign", pinned.write("broken", json.dumps(broken)), "--yes") == DONE
    assert "refusal" not in json.loads(capsys.readouterr().out)
    other = {**broken, "psbt": "cHNidP8garbage"}
    assert pinned.run_open("sign", pinned.write("other", json.dumps(other)), "--yes") == WAITING
    kinds = [entry.kind for entry in Memory.open(pinned.home / "memory.sqlite").log()]
    assert kinds == ["pinned", "signed"]


def test_signs_nothing_before_a_root_is_pinned(
    north: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert north.run_open("sign", north.write("bundle", json.dumps(_live_bundle(live).to_json())), "--yes") == REFUSED
    assert "pin one first" in _error(capsys)


def test_signs_nothing_without_its_memory(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    (pinned.home / "memory.sqlite").unlink()
    capsys.readouterr()
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(_live_bundle(live).to_json())), "--yes") == REFUSED
    assert "memory" in _error(capsys)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1.5}', '{"a": 1, "a": 2}', "nonsense"])
def test_refuses_a_file_that_is_no_bundle_in_one_line(
    pinned: Keyholder, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run_open("sign", pinned.write("bundle", text), "--yes") == INVALID
    assert "bundle" in _error(capsys)


# Limits and log


def test_limits_are_set_shown_and_obeyed(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert pinned.run("limits", "--set", "per_tx_sat=1999999,max_fee_sat=5000") == DONE
    assert "per_tx_sat 1999999" in capsys.readouterr().out
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(_live_bundle(live).to_json())), "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "over-own-limit"


@pytest.mark.parametrize("text", ["per_tx_sat", "per_tx_sat=-1", "per_tx_sat=1.5", "other=1", "max_fee_sat=none", ""])
def test_limits_refuse_nonsense_and_change_nothing(
    pinned: Keyholder, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run("limits", "--set", text) == INVALID
    assert "limits" in _error(capsys)
    assert not (pinned.home / "limits.json").exists()


def test_log_prints_what_happened(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    pinned.run_open("sign", pinned.write("bundle", json.dumps(_live_bundle(live).to_json())), "--yes")
    capsys.readouterr()
    assert pinned.run("log") == DONE
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["kind"] for entry in entries] == ["pinned", "signed"]
    assert entries[1]["fee_sat"] == 3_000


# The API


@dataclass
class Daemon:
    """A small stand-in for the API, on loopback, that speaks as agreed."""

    bundles: list[Any] = field(default_factory=list)
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    url: str = ""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    state = Daemon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Authorization", "")))
            self._say({"bundles": state.bundles})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.taken.append((self.path, json.loads(body)))
            self._say({})

        def _say(self, value: dict[str, Any]) -> None:
            content = json.dumps(value).encode()
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def _fetch(keyholder: Keyholder, url: str, *extra: str) -> int:
    token = keyholder.write("token", "sesame\n")
    return keyholder.run_open("fetch", "--api", url, "--token-file", token, "--yes", *extra)


def test_fetch_answers_what_is_there(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [_live_bundle(live).to_json()]
    assert _fetch(pinned, daemon.url, "--once") == DONE
    assert daemon.asked == [("/v1/bundles?cosigner=north", "Bearer sesame")]
    ((path, body),) = daemon.taken
    assert path == "/v1/bundles/bnd_1/signatures"
    assert set(body) == {"cosigner", "psbt"}
    assert body["cosigner"] == "north"


def test_fetch_hands_in_a_signed_refusal(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [_live_bundle(live, openings=()).to_json()]
    assert _fetch(pinned, daemon.url, "--once") == REFUSED
    ((path, body),) = daemon.taken
    assert path == "/v1/bundles/bnd_1/refusals"
    refusal, member = Refusal.parse(body["refusal"]), live.keyset.cosigner("north")
    assert member
    assert refusal.reason == "vault-not-the-clients"
    assert member.verifies(refusal.message, body["signature"])


def test_fetch_gives_the_same_answer_when_asked_again(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [_live_bundle(live).to_json()]
    assert [_fetch(pinned, daemon.url) for _ in range(2)] == [DONE, DONE]
    assert daemon.taken[0] == daemon.taken[1]


def test_fetch_reads_on_past_a_bundle_it_cannot_read(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [{"format": 1}, _live_bundle(live).to_json()]
    assert _fetch(pinned, daemon.url) == REFUSED
    assert len(daemon.taken) == 1


def test_fetch_says_when_there_is_nothing(pinned: Keyholder, daemon: Daemon) -> None:
    assert _fetch(pinned, daemon.url, "--once") == WAITING


def test_fetch_says_when_the_api_does_not_answer(pinned: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert _fetch(pinned, "http://127.0.0.1:1", "--once") == UNREACHABLE
    assert "api" in _error(capsys)


def test_fetch_says_when_the_api_is_broken(pinned: Keyholder, daemon: Daemon) -> None:
    daemon.status = 503
    assert _fetch(pinned, daemon.url, "--once") == UNREACHABLE


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "127.0.0.1:8000", "http://u@127.0.0.1", "http://127.0.0.1:x"]
)
def test_fetch_sends_its_token_nowhere_in_the_clear(
    pinned: Keyholder, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _fetch(pinned, url, "--once") == INVALID
    assert "sesame" not in _error(capsys)


def test_watch_outlives_an_api_that_is_away_and_stops_when_interrupted(
    pinned: Keyholder, live: World, daemon: Daemon
) -> None:
    daemon.status = 500
    token, passphrase = pinned.write("token", "sesame"), pinned.write("passphrase", PASSPHRASE)
    given = ("fetch", "--api", daemon.url, "--token-file", token, "--passphrase-file", passphrase, "--watch")
    command = [sys.executable, "-m", "custody.cosigner.main", *pinned.arguments(*given, "--interval", "0.05", "--yes")]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE, text=True)
    try:
        _until(lambda: len(daemon.asked) >= 2)
        daemon.bundles, daemon.status = [_live_bundle(live).to_json()], 200
        _until(lambda: len(daemon.taken) >= 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == DONE
    assert "trying again" in said
    assert "Traceback" not in said
    assert daemon.taken[0] == daemon.taken[1]


def _until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


# Usage


@pytest.mark.parametrize("arguments", [[], ["sign"], ["--home", "x"], ["--home", "x", "conquer"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == INVALID


def test_help_loads_no_bitcoin_library() -> None:
    program = (
        "import sys\nfrom custody.cosigner.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'bdkpython', 'embit', 'bitcoin', 'coincurve', 'yaml', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "custody-cosigner" in done.stdout
