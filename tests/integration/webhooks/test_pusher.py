"""The pusher as a process: it hears of news, and killed between sending and writing it down it sends again."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from demo.child import Child
from tests.integration.api.server import REPOSITORY, plain_environment
from tests.integration.webhooks.conftest import SEAL_KEY, Post
from tests.support.processes import wait_until
from tests.support.world import environment


def pusher(post: Post, folder: Path, name: str, **settings: Any) -> Child:
    chosen = {"webhook_inside": "127.0.0.0/8", "seal_key": SEAL_KEY, **settings}
    env = {**plain_environment(), **environment(post.database, **chosen)}
    argv = [sys.executable, "-m", "workers.pusher"]
    return Child(name, argv, folder / f"{name}.log", env=env, cwd=REPOSITORY)


def test_killed_between_sending_and_writing_down_it_sends_again_under_the_same_id(post: Post, tmp_path: Path) -> None:
    held = threading.Event()
    post.add()

    def answer(_came: Any) -> tuple[int, dict[str, str], bytes]:
        held.wait(30)
        return 204, {}, b""

    post.receiver.answer = answer
    first = pusher(post, tmp_path, "first")
    first.start()
    try:
        post.tell("a", "a")
        wait_until(lambda: len(post.receiver.came) == 1, seconds=30)
    finally:
        first.stop(what=signal.SIGKILL)
        held.set()
    # Its clock is past the lease of the first.
    second = pusher(post, tmp_path, "second", clock_offset_seconds=120)
    second.start()
    try:
        wait_until(lambda: _waiting(post) == 0, seconds=30)
        post.tell("b")
        wait_until(lambda: len(post.receiver.came) == 4, seconds=30)
    finally:
        second.stop(what=signal.SIGTERM)
    assert second.exit_code() == 0
    ids = post.receiver.ids()
    assert ids[0] == ids[1]
    assert [came.version for came in post.receiver.came] == [("a", 1), ("a", 1), ("a", 2), ("b", 1)]
    log = (tmp_path / "second.log").read_text()
    assert "whsec_" not in log


def _waiting(post: Post) -> int:
    return post.count("webhook_deliveries WHERE state = 'waiting'")
