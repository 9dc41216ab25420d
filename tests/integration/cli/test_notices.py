"""Notices, from the command line: who is told where, changed, refused, and what was sent."""

from __future__ import annotations

from typing import Any

from tests.integration.cli.conftest import Command
from tests.integration.reconciliation.stage import SEAL, Stage
from tests.support.notices import mailed_code

HOOK = "https://93.184.216.34/notices"


def test_channels_are_set_switched_listed_and_refused(command: Command, stage: Stage) -> None:
    assert command("notice", "list", "--format", "json").json == []
    mail: Any = command("notice", "set", "bob", "mail", "bob@example.com", "--format", "json").json
    assert (mail["operator"], mail["address"], mail["on"], "secret" in mail) == ("bob", "bob@example.com", True, False)
    assert mail["confirmed_at"] is None
    hook: Any = command("notice", "set", "bob", "webhook", HOOK, "--format", "json").json
    assert hook["secret"]
    off: Any = command("notice", "switch", "bob", "mail", "off", "--format", "json").json
    assert off["on"] is False
    listed = command("notice", "list")
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [["bob", "mail"], ["bob", "webhook"]]
    assert hook["secret"] not in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    sent: Any = command("notice", "list", "--sent", "--format", "json").json
    assert [(each["says"], each["status"]) for each in sent] == [("code", "waiting")]
    before = stage.dump()
    for words, code, field in (
        (("set", "nobody", "mail", "nobody@example.com"), 2, "operator"),
        (("set", "bob", "mail", "not an address"), 2, "address"),
        (("set", "bob", "webhook", "https://127.0.0.1/"), 2, "address"),
        (("set", "bob", "pigeon", "loft"), 2, "channel"),
        (("switch", "bob", "mail", "maybe"), 2, "on|off"),
        (("switch", "carol", "mail", "off"), 3, "channel"),
        (("confirm", "bob", "mail", "12345"), 2, "code"),
        (("confirm", "bob", "webhook", "12345678"), 1, "channel"),
        (("switch", "bob", "mail", "off"), 1, "channel"),
    ):
        refused = command("notice", *words)
        assert (refused.code, refused.err.count("\n")) == (code, 1), refused.err
        assert refused.err.startswith(f"error: {field}: "), refused.err
    assert stage.dump() == before
    code = mailed_code(stage.db, SEAL, "bob")
    confirmed: Any = command("notice", "confirm", "bob", "mail", code, "--format", "json").json
    assert confirmed["confirmed_at"] is not None
