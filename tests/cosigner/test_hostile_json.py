"""Whatever JSON arrives as a bundle ends in a verdict, a refusal or a one-line error: never in a crash."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from custody.cosigner.answering import Desk, Signed, SignedRefusal, Waiting, read_bundle
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import NOW, World
from tests.cosigner.safe_builders import ETHER, SafeWorld

TRIES = 150
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**53 - 1, 2**53, 2**64, 10**400, "", " ", "\x00", "\ud800", "a\nb", "00" * 40_000),
    *([], {}, [[]], [{}], {"approvals": []}, {"a": 2**60}, "cHNidP8=", "9" * 90),
    *("2026-11-22T12:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        found += _places(item, (*path, key))
    return found


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def _of_coins() -> tuple[World, Any]:
    return World(), World().large().to_json()


def _of_safes() -> tuple[World, Any]:
    world = SafeWorld()
    return world, world.ether(6 * ETHER, approvers=("alice", "bob")).to_json()


@pytest.mark.parametrize("made", [_of_coins, _of_safes])
def test_answers_any_json(made: Callable[[], tuple[World, Any]], tmp_path: Path) -> None:
    world, document = made()
    memory = Memory.create(tmp_path / "memory")
    memory.pin(world.root.hash, now=NOW)
    desk = Desk(world.key, memory, Limits())
    places = _places(document)
    for _ in range(TRIES):
        changed = _changed(document, random.choice(places), random.choice(VALUES))
        try:
            bundle = read_bundle(changed)
        except InvalidInput as error:
            assert "\n" not in str(error)
            continue
        answer = desk.answer(bundle, confirm=lambda _verdict: None, clock=lambda: NOW)
        assert isinstance(answer, (SignedRefusal, Waiting))
        assert not isinstance(answer, Signed)
    assert {entry.kind for entry in memory.log()} == {"pinned", "refused"}


def test_answers_any_safe_tx(tmp_path: Path) -> None:
    world, document = _of_safes()
    memory = Memory.create(tmp_path / "memory")
    memory.pin(world.root.hash, now=NOW)
    desk = Desk(world.key, memory, Limits())
    asked = json.loads(document["safe_tx"])
    for path in _places(asked):
        for value in VALUES:
            text = json.dumps(_changed(asked, path, value), separators=(",", ":"))
            if text == document["safe_tx"]:
                continue
            changed = {**document, "safe_tx": text}
            try:
                bundle = read_bundle(changed)
            except InvalidInput as error:
                assert "\n" not in str(error)
                continue
            with pytest.raises(CosignerRefusal):
                desk.check(bundle, now=NOW)


@pytest.mark.parametrize("value", [2**60, "\ud800"])
def test_refuses_a_decision_without_a_canonical_form(world: World, value: Any) -> None:
    document = world.small().to_json()
    document["payments"][0]["decision"]["extra"] = value
    with pytest.raises(InvalidInput, match="canonical"):
        read_bundle(document)


def test_refuses_a_policy_text_that_is_no_text(world: World) -> None:
    document = world.small().to_json() | {"policy": "\ud800"}
    with pytest.raises(InvalidInput):
        read_bundle(document)


def test_reads_what_it_wrote(world: World) -> None:
    assert read_bundle(world.small().to_json()) == world.small()


def test_no_number_of_the_daemons_decision_exhausts_a_keyholder(world: World, tmp_path: Path) -> None:
    memory = Memory.create(tmp_path / "memory")
    memory.pin(world.root.hash, now=NOW)
    desk = Desk(world.key, memory, Limits())
    document = world.large().to_json()
    places = [path for path in _places(document) if "decision" in path and type(_at(document, path)) is int]
    assert any("approvals" in path for path in places)
    for path in places:
        bundle = read_bundle(_changed(document, path, 2**53 - 1))
        assert not isinstance(desk.answer(bundle, confirm=lambda _verdict: None, clock=lambda: NOW), Signed), path


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document
