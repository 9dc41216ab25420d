"""The program itself: signing from files, limits, log, usage, by arguments and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from custody.chains.bitcoin.offline.psbt import parse_psbt, verified_signatures
from custody.cosigner.main import main
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Refusal
from tests.cosigner.builders import World
from tests.cosigner.keyholder import (
    DONE,
    INVALID,
    REFUSED,
    ROOT,
    WAITING,
    Keyholder,
    error_line,
    live_bundle,
)


def test_show_says_what_would_happen_and_signs_nothing(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run("show", pinned.write("bundle", json.dumps(live_bundle(live).to_json()))) == DONE
    assert "Pay 0.02000000 BTC" in capsys.readouterr().out
    assert [entry.kind for entry in Memory.open(pinned.home / "memory.sqlite").log()] == ["pinned"]


def test_sign_writes_signatures_the_daemon_takes(
    pinned: Keyholder, live: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = live_bundle(live), tmp_path / "answer"
    assert (
        pinned.run_open("sign", pinned.write("bundle", json.dumps(bundle.to_json())), "--yes", "--out", str(out)) == 0
    )
    answer = json.loads(out.read_text())
    returned = parse_psbt(answer["psbt"])
    place = [cosigner.id for cosigner in live.keyset.cosigners].index("north")
    pubkey = live.branch(7).derive(change=False, index=0).pubkeys[place]
    assert verified_signatures(ours=parse_psbt(bundle.unsigned), returned=returned, pubkeys=[pubkey])


def test_sign_gives_the_same_answer_again(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    source = pinned.write("bundle", json.dumps(live_bundle(live).to_json()))
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
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(live_bundle(live).to_json()))) == WAITING


@pytest.mark.parametrize(("said", "code"), [(True, DONE), (False, REFUSED)])
def test_sign_does_what_the_person_says(
    pinned: Keyholder, live: World, said: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cosigner.commands.is_person_there", lambda: True)
    monkeypatch.setattr("custody.cosigner.commands.ask_yes", lambda _question: said)
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(live_bundle(live).to_json()))) == code


def test_a_refusal_is_signed_and_kept_to(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cosigner.commands.is_person_there", lambda: True)
    monkeypatch.setattr("custody.cosigner.commands.ask_yes", lambda _question: False)
    source = pinned.write("bundle", json.dumps(live_bundle(live).to_json()))
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
    again = pinned.write("again", json.dumps(live_bundle(live, name="bnd_2").to_json()))
    assert pinned.run_open("sign", again, "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "refused-before"


def test_never_signs_a_refusal_of_a_transaction_it_signed(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = live_bundle(live)
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
    assert north.run_open("sign", north.write("bundle", json.dumps(live_bundle(live).to_json())), "--yes") == REFUSED
    assert "pin one first" in error_line(capsys)


def test_signs_nothing_without_its_memory(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    (pinned.home / "memory.sqlite").unlink()
    capsys.readouterr()
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(live_bundle(live).to_json())), "--yes") == REFUSED
    assert "memory" in error_line(capsys)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1.5}', '{"a": 1, "a": 2}', "nonsense"])
def test_refuses_a_file_that_is_no_bundle_in_one_line(
    pinned: Keyholder, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run_open("sign", pinned.write("bundle", text), "--yes") == INVALID
    assert "bundle" in error_line(capsys)


def test_limits_are_set_shown_and_obeyed(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert pinned.run("limits", "--set", "per_tx_sat=1999999,max_fee_sat=5000") == DONE
    assert "per_tx_sat 1999999" in capsys.readouterr().out
    assert pinned.run_open("sign", pinned.write("bundle", json.dumps(live_bundle(live).to_json())), "--yes") == REFUSED
    assert json.loads(capsys.readouterr().out)["refusal"]["reason"] == "over-own-limit"


@pytest.mark.parametrize("text", ["per_tx_sat", "per_tx_sat=-1", "per_tx_sat=1.5", "other=1", "max_fee_sat=none", ""])
def test_limits_refuse_nonsense_and_change_nothing(
    pinned: Keyholder, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert pinned.run("limits", "--set", text) == INVALID
    assert "limits" in error_line(capsys)
    assert not (pinned.home / "limits.json").exists()


def test_log_prints_what_happened(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    pinned.run_open("sign", pinned.write("bundle", json.dumps(live_bundle(live).to_json())), "--yes")
    capsys.readouterr()
    assert pinned.run("log") == DONE
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["kind"] for entry in entries] == ["pinned", "signed"]
    assert entries[1]["fee_units"] == "3000"


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


def test_show_says_nothing_before_a_root_is_pinned(north: Keyholder, live: World) -> None:
    assert north.run("show", north.write("bundle", json.dumps(live_bundle(live).to_json()))) == REFUSED


def test_show_says_why_it_would_refuse(pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]) -> None:
    source = pinned.write("bundle", json.dumps(live_bundle(live, openings=()).to_json()))
    capsys.readouterr()
    assert pinned.run("show", source) == REFUSED
    assert "no opening gives vault" in error_line(capsys)
