"""A receiver made of the code in docs/webhooks.md and nothing else: it verifies, deduplicates and orders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.events import queries as told
from custody.kernel.errors import InvalidInput
from custody.sdk.webhooks import Deliveries, KnownAlready, NotTheHouses
from custody.webhooks.signing import Secret
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.receiver import Came

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
Receive = Callable[[str, dict[str, str], bytes], bool]


def from_the_page() -> Receive:
    """The page's receiver, with a memory of its own."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    room: dict[str, Any] = {}
    exec(code, room)
    receive: Receive = room["receive"]
    return receive


def test_who_is_pushed_to_and_who_reads_the_feed_end_in_the_same_state(post: Post) -> None:
    """Every third delivery is taken and not confirmed, so it comes again; one is sent again although it was taken."""
    made, receive, pushed = post.add(types=[]), from_the_page(), {}
    taken: list[bool] = []

    def answer(came: Came) -> tuple[int, dict[str, str], bytes]:
        taken.append(receive(made.secret.text, came.headers, came.body))
        if taken[-1]:
            pushed[came.event["object"]["kind"], came.event["object"]["id"]] = came.event["data"]
        return (500 if taken[-1] and len(taken) % 3 == 0 else 204), {}, b""

    post.receiver.answer = answer
    for turn in range(6):
        post.tell("a", "b", "a", "c", event=f"turn_{'abcdef'[turn]}")
        post.push()
        post.ahead += timedelta(seconds=8)
    while post.push():
        post.ahead += timedelta(seconds=8)
    assert False in taken, "something came twice"
    assert {key: data for key, data in pushed.items() if key[0] == "thing"} == _by_feed(post)


def _by_feed(post: Post) -> dict[tuple[str, str], Any]:
    cursor, found = 0, {}
    with post.db.unit() as unit:
        while (page := told.after(unit.session, cursor=cursor, limit=5)).events:
            found |= {(event.kind, event.subject): dict(event.data) for event in page.events}
            cursor = page.cursor
    return {key: data for key, data in found.items() if key[0] == "thing"}


def test_p113_the_pages_receiver_refuses_what_is_forged_old_or_known(post: Post) -> None:
    made = post.add()
    post.tell("a")
    post.push()
    (came,) = post.receiver.came
    receive = from_the_page()
    with pytest.raises(ValueError, match="not signed"):
        receive("whsec_" + "A" * 43 + "=", came.headers, came.body)
    with pytest.raises(ValueError, match="not signed"):
        receive(made.secret.text, came.headers, came.body.replace(b"changed", b"changer"))
    with pytest.raises(ValueError, match="not signed"):
        receive(made.secret.text, came.headers | {"webhook-id": "evt_other"}, came.body)
    with pytest.raises(ValueError, match="too old"):
        receive(made.secret.text, came.headers | {"webhook-timestamp": str(int(time.time()) - 360)}, came.body)
    assert receive(made.secret.text, came.headers, came.body) is True
    assert receive(made.secret.text, came.headers, came.body) is False


def test_the_page_names_every_kind_that_is_told() -> None:
    named = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.M))
    sources = Path(__file__).parents[3] / "custody"
    told_kinds = {
        kind
        for path in sources.rglob("*.py")
        if "publish(" in (text := path.read_text()) or "tell(session, kind=" in text
        for kind in re.findall(r'\bkind="([a-z_]+)"', text)
        if re.search(rf'(publish\([^)]*?|tell\(session, )kind="{kind}"', text, re.S)
    }
    assert told_kinds <= named and {"withdrawal", "break", "freeze"} <= told_kinds


NODE = """
import { readFileSync } from "node:fs";
import { check } from "./check.mjs";
const { key, headers } = JSON.parse(process.argv[2]);
console.log(check(key, headers, readFileSync(0)).type);
"""


def in_node(folder: Path, key: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the page's Node takes it."""
    (code,) = re.findall(r"```js\n(.*?)```", PAGE, re.S)
    (folder / "check.mjs").write_text(code)
    (folder / "main.mjs").write_text(NODE)
    given = json.dumps({"key": key, "headers": headers})
    ran = subprocess.run(["node", str(folder / "main.mjs"), given], input=body, capture_output=True, check=False)
    assert ran.returncode == 0 or b"too old" in ran.stderr or b"not signed by this key" in ran.stderr
    assert ran.returncode or ran.stdout == b"thing.changed\n"
    return ran.returncode == 0


def in_a_shell(folder: Path, key: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the page's shell takes it."""
    (code,) = re.findall(r"```sh\n(# SECRET=.*?)```", PAGE, re.S)
    (folder / "check.sh").write_text(code)
    given = [headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
    env = {"SECRET": key, "PATH": os.environ["PATH"]}
    argv = ["sh", str(folder / "check.sh"), *given]
    ran = subprocess.run(argv, input=body, env=env, capture_output=True, check=False)
    assert ran.returncode == 0 or ran.stderr in (b"too old\n", b"not signed by this secret\n", b"no timestamp\n")
    return ran.returncode == 0


def test_p113_the_pages_other_languages_take_a_real_delivery_and_nothing_forged(post: Post, tmp_path: Path) -> None:
    made = post.add()
    post.tell("ü")
    post.push()
    (came,) = post.receiver.came
    late = {"webhook-timestamp": str(int(came.headers["webhook-timestamp"]) - 360)}
    for takes, keys in ((in_node, (made.secret.text, made.secret.public_text)), (in_a_shell, (made.secret.text,))):
        for key in keys:
            assert takes(tmp_path, key, came.headers, came.body)
            assert not takes(tmp_path, key, came.headers, came.body + b" ")
            assert not takes(tmp_path, key, came.headers | {"webhook-id": "evt_other"}, came.body)
            assert not takes(tmp_path, key, came.headers | late, came.body)
        other = Secret.fresh()
        assert not takes(tmp_path, other.text, came.headers, came.body)
    assert not in_node(tmp_path, Secret.fresh().public_text, came.headers, came.body)
    assert not in_a_shell(tmp_path, made.secret.text, came.headers | {"webhook-timestamp": "a[$(id)]"}, came.body)


def test_p113_the_python_client_refuses_what_is_forged_old_or_known(post: Post) -> None:
    """Against a real delivery, by the secret and by the public key."""
    made, now = post.add(), time.time()
    post.tell("a")
    post.push()
    (came,) = post.receiver.came
    for key in (made.secret.text, made.secret.public_text):
        receiver = Deliveries(key)
        for headers, body in _forged(came):
            with pytest.raises(NotTheHouses):
                receiver.take(headers, body, now=now)
        for late in (now + 360, now - 360):
            with pytest.raises(NotTheHouses, match="five minutes"):
                receiver.take(came.headers, came.body, now=late)
        event = receiver.take(came.headers, came.body, now=now)
        assert (event.id, event.kind, event.subject, event.version) == (came.id, "thing", "a", 1)
        with pytest.raises(KnownAlready):
            receiver.take(came.headers, came.body, now=now)
    with pytest.raises(NotTheHouses, match="signature"):
        Deliveries(Secret.fresh().text).take(came.headers, came.body, now=now)
    with pytest.raises(InvalidInput, match="whsec_"):
        Deliveries("s").take(came.headers, came.body, now=now)


def test_p113_signatures_are_compared_in_constant_time() -> None:
    for path in ("custody/sdk/webhooks.py",):
        text = (Path(__file__).parents[3] / path).read_text()
        assert "hmac.compare_digest(" in text


def _forged(came: Came) -> list[tuple[dict[str, str], bytes]]:
    signature = came.headers["webhook-signature"]
    swapped = " ".join(
        each.replace("v1a,", "v1,") if "v1a" in each else f"v1a,{each[3:]}" for each in signature.split()
    )
    altered = {
        "webhook-id": "evt_other",
        "webhook-timestamp": str(int(came.headers["webhook-timestamp"]) + 1),
        "webhook-signature": swapped,
    }
    changed = [(came.headers | {name: value}, came.body) for name, value in altered.items()]
    empty = [
        (came.headers | {"webhook-signature": each}, came.body) for each in ("", "v1,", "v1,AAAA", "v1a,AAAA", "x")
    ]
    return [*changed, *empty, (came.headers, came.body + b" "), ({}, came.body)]
