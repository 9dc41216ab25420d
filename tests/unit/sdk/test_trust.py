"""What the client believes of a trust root: nothing before its delay is over, and nothing older than it has seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.kernel.errors import InvalidInput
from custody.sdk.errors import NotProven
from custody.sdk.memory import RootMemory, RootSeen
from custody.sdk.trust import Trust, read_trust
from tests.cosigner.builders import NOW, World
from tests.support.versions import Versions, relaxed, slow

FIRST = Versions.of(World())
SLOWED = FIRST.then(policy=slow(FIRST.policy))
"""Version 2: from here on, changes wait for an hour."""
RELAXED = SLOWED.then(policy=relaxed(SLOWED.policy))


def shown(versions: Versions) -> dict[str, Any]:
    """As a house shows them."""
    return {
        "trust_root": versions.world.signed_root.to_json(),
        "succession": [link.to_json() for link in versions.links],
        "policy": versions.policy,
    }


def proved(versions: Versions, *, at: datetime, pin: Versions = FIRST, seen: RootSeen | None = None) -> Trust:
    """What a client that pinned the newest of ``pin`` makes of it."""
    return read_trust(shown(versions), pin=pin.root.hash, now=at, seen=seen)


def seen_in(versions: Versions) -> RootSeen:
    return RootSeen(versions.root.version, versions.root.hash)


def test_a_version_counts_once_its_delay_is_over() -> None:
    """The delay is the one of the policy before it: what made changes wait did not wait itself."""
    assert proved(SLOWED, at=NOW).newest.version == 2
    for early in (timedelta(0), timedelta(minutes=57)):
        with pytest.raises(
            NotProven, match="version 3 of the trust root is shown before its delay is over: 2026-11-22T13"
        ):
            proved(RELAXED, at=NOW + early)
    assert proved(RELAXED, at=NOW + timedelta(hours=1)).seen == seen_in(RELAXED)
    # Whoever pinned it has compared it: what came before is over for him.
    assert proved(RELAXED, at=NOW, pin=RELAXED).newest.version == 3


def test_refuses_a_version_older_than_was_seen() -> None:
    later = NOW + timedelta(hours=2)
    assert proved(RELAXED, at=later, seen=seen_in(SLOWED)).newest.version == 3
    with pytest.raises(NotProven, match="version 2 is shown of the trust root, and another 3 was seen"):
        proved(SLOWED, at=later, seen=seen_in(RELAXED))
    with pytest.raises(NotProven, match="not the one pinned here"):
        proved(SLOWED, at=later, pin=RELAXED)
    fork = SLOWED.then(policy=relaxed(SLOWED.policy) + "# otherwise\n")
    with pytest.raises(NotProven, match="version 3 is shown of the trust root, and another 3 was seen"):
        proved(fork, at=later, seen=seen_in(RELAXED))
    assert proved(RELAXED, at=later, pin=RELAXED, seen=seen_in(SLOWED)).newest.version == 3


def test_remembers_the_newest_over_processes_and_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "seen"
    first, other = RootMemory(path), RootMemory(path)
    assert first.newest() is None
    first.note(seen_in(RELAXED))
    other.note(seen_in(SLOWED))
    assert {each.newest() for each in (first, other, RootMemory(path))} == {seen_in(RELAXED)}
    assert path.read_text() == f"3 {RELAXED.root.hash}\n"
    alone = RootMemory()
    alone.note(seen_in(RELAXED))
    alone.note(seen_in(SLOWED))
    assert alone.newest() == seen_in(RELAXED)


@pytest.mark.parametrize("content", ["3\n", "x\n", f"3 {'0' * 63}\n", f"0 {'0' * 64}\n", "3 \udcff"])
def test_a_file_that_does_not_read_is_not_passed_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "seen"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(InvalidInput) as refused:
        RootMemory(path)
    assert refused.value.field == "CUSTODY_TRUST_ROOT_SEEN_FILE"
    with pytest.raises(InvalidInput, match="cannot be kept"):
        RootMemory(tmp_path / "nowhere" / "seen")
