"""A cosigner whose machine has no network: bundles and answers go over in files, and the log can be held to a note."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from custody.cosigner.main import main
from tests.cosigner.builders import World
from tests.cosigner.keyholder import DONE, INVALID, REFUSED, WAITING, Keyholder, error_line, live_bundle
from tests.cosigner.stand_in import Daemon, standing_in


def online(api: Daemon, folder: Path, *words: str) -> int:
    """A command on the machine with a network, which has no home."""
    token = folder / "online-token"
    token.write_text("sesame\n")
    return main([words[0], "--api", api.url, "--token-file", str(token), *words[1:]])


def test_bundles_and_answers_go_over_in_files(pinned: Keyholder, live: World, tmp_path: Path) -> None:
    good = live_bundle(live)
    coin = live.coin(7, 9_000_000, salt="another")
    other = live.transaction(good.payments, [coin], fee_sat=3_000)
    bad = live_bundle(live, name="bnd_2", unsigned=other.base64, policy=live.policy + "\n")
    out = tmp_path / "stick"
    with standing_in() as api:
        api.bundles = [good.to_json(), bad.to_json(), {"id": "none"}]
        assert online(api, tmp_path, "take", "--cosigner", "north", "--out", str(out)) == DONE
        assert sorted(path.name for path in out.iterdir()) == ["bnd_1.json", "bnd_2.json"]
        assert json.loads((out / "bnd_1.json").read_text()) == good.to_json()
        assert online(api, tmp_path, "take", "--cosigner", "north", "--out", str(out)) == WAITING

        answers = [str(out / "bnd_1.answer"), str(out / "bnd_2.answer")]
        assert pinned.run_open("sign", str(out / "bnd_1.json"), "--yes", "--out", answers[0]) == DONE
        assert pinned.run_open("sign", str(out / "bnd_2.json"), "--yes", "--out", answers[1]) == REFUSED
        assert online(api, tmp_path, "bring", *answers) == DONE
    (first, signed), (second, refused) = api.taken
    assert (first, second) == ("/v1/bundles/bnd_1/signatures", "/v1/bundles/bnd_2/refusals")
    assert set(signed) == {"cosigner", "psbt"}
    assert set(refused) == {"refusal", "signature"}
    assert (out / "bnd_1.answer").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../escape", "a/b", "", "."])
def test_a_bundles_id_is_no_path(live: World, tmp_path: Path, name: str) -> None:
    out = tmp_path / "stick"
    with standing_in() as api:
        api.bundles = [{**live_bundle(live).to_json(), "id": name}]
        assert online(api, tmp_path, "take", "--cosigner", "north", "--out", str(out)) == WAITING
    assert list(out.iterdir()) == []
    assert not (tmp_path / "escape.json").exists()


@pytest.mark.parametrize(
    "answer", [[], {}, {"bundle": "bnd_1"}, {"refusal": {}, "signature": "00"}, {"bundle": "../x"}]
)
def test_hands_in_nothing_that_is_no_answer(tmp_path: Path, answer: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer))
    with standing_in() as api:
        assert online(api, tmp_path, "bring", str(path)) == INVALID
        assert api.taken == []
    error_line(capsys)


def test_an_answer_the_api_refuses_is_said_and_the_next_is_brought(
    tmp_path: Path, pinned: Keyholder, live: World
) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(live_bundle(live).to_json()))
    answers = [str(tmp_path / "a"), str(tmp_path / "b")]
    for answer in answers:
        assert pinned.run_open("sign", str(path), "--yes", "--out", answer) == DONE
    with standing_in() as api:
        api.refuses_posts = True
        assert online(api, tmp_path, "bring", *answers) == REFUSED
        assert len(api.taken) == 2


def test_a_command_with_a_key_needs_its_home(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["log"])
    assert ended.value.code == 2
    assert "--home" in capsys.readouterr().err


def test_the_log_is_held_to_a_hash_noted_down(
    pinned: Keyholder, live: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pinned.write("bundle", json.dumps(live_bundle(live).to_json()))
    assert pinned.run_open("sign", path, "--yes") == DONE
    capsys.readouterr()
    assert pinned.run("log", "--verify") == DONE
    said = capsys.readouterr().out.strip()
    assert said.startswith("2 entries, head ")
    head = said.rpartition(" ")[2]
    assert pinned.run("log", "--verify", "--head", head) == DONE
    capsys.readouterr()

    # Whoever has the disk can drop the triggers and cut the end off; the chain alone does not show that.
    with sqlite3.connect(pinned.home / "memory.sqlite") as connection:
        connection.execute("DROP TRIGGER journal_no_delete")
        connection.execute("DELETE FROM journal WHERE place = 2")
    assert pinned.run("log", "--verify") == DONE
    capsys.readouterr()
    assert pinned.run("log", "--verify", "--head", head) == REFUSED
    assert "noted down" in error_line(capsys)


def test_nothing_is_signed_where_the_log_cannot_be_written(
    pinned: Keyholder, live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pinned.write("bundle", json.dumps(live_bundle(live).to_json()))
    with sqlite3.connect(pinned.home / "memory.sqlite") as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    capsys.readouterr()
    assert pinned.run_open("sign", path, "--yes") == REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    with sqlite3.connect(pinned.home / "memory.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM signed").fetchone() == (0,)
