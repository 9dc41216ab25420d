"""Webhooks and the events they carry, from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from custody.sdk.webhooks import verify
from tests.integration.cli.conftest import Answer, Command
from tests.integration.reconciliation.stage import Stage
from tests.integration.webhooks.receiver import Receiver

URL = "https://93.184.216.34/hooks"


@pytest.mark.usefixtures("api")
def test_an_endpoint_is_made_looked_at_and_changed(command: Command, stage: Stage, tokens: dict[str, str]) -> None:
    as_exchange = ("--token-file", tokens["exchange"], "--yes")

    def change(*words: str) -> Answer:
        return command("webhook", *words, *as_exchange, "--format", "json")

    tried = command("webhook", "create", URL, "--label", "books", *as_exchange, "--dry-run")
    assert tried.code == 0 and "POST /v1/webhook-endpoints" in tried.out
    assert command("webhook", "list", "--format", "json").json == []
    refused = change("create", "https://10.0.0.1/", "--label", "books")
    assert refused.code == 2 and "url" in refused.err and "10.0.0.1" not in refused.out
    made = change("create", URL, "--label", "books", "--type", "client")
    told: Any = made.json
    assert told["secret"].startswith("whsec_") and "not shown again" in made.err
    endpoint = told["id"]
    listed = command("webhook", "list")
    assert endpoint[:8] in listed.out and told["secret"] not in listed.out
    shown: Any = command("webhook", "show", endpoint, "--format", "json").json
    assert (shown["url"], shown["types"], shown["status"]) == (URL, ["client"], "active")
    again: Any = change("rotate", endpoint).json
    assert again["secret"] not in ("", told["secret"])
    assert command("webhook", "disable", endpoint, "--reason", "it moves", "--token-file", "x").code == 2
    disabled: Any = change("disable", endpoint, "--reason", "it moves").json
    assert (disabled["status"], disabled["reason"]) == ("disabled", "it moves")
    assert change("enable", endpoint).code == 0
    assert change("enable", endpoint).code == 1, "it is active already"
    stage.open("acme")
    (event,) = _events(command, "--kind", "client")
    assert command("event", "resend", event["id"], "--to", endpoint, *as_exchange).code == 0
    (delivery,) = json.loads(command("webhook", "deliveries", endpoint, "--format", "json").out)
    assert (delivery["event"], delivery["status"]) == (event["id"], "waiting")
    assert command("webhook", "attempts", endpoint, event["id"], "--format", "json").json == []
    resent: Any = change("resend", endpoint).json
    assert (resent["kind"], resent["wanted"], resent["status"]) == ("resend", 0, "running"), "nothing failed yet"
    shown = command("job", "show", resent["id"], "--token-file", tokens["exchange"], "--format", "json").json
    assert shown["endpoint"] == endpoint
    tried: Any = command("event", "trigger", "--to", endpoint, *as_exchange, "--format", "json").json
    assert (tried["type"], tried["data"]["test"]) == ("webhook_endpoint.test", True)
    assert command("webhook", "show", "whe_none").code == 3
    assert command("webhook", "deliveries", endpoint, "--state", "lost").code == 2


def test_what_is_told_is_forwarded_to_this_machine_signed_and_nowhere_else(command: Command, stage: Stage) -> None:
    stage.open("acme")
    first = _events(command)[0]
    with Receiver() as receiver:
        answer = command("event", "listen", "--after", "0", "--count", "1", "--forward-to", receiver.url)
    assert answer.code == 0, answer.err
    (came,) = receiver.came
    (secret,) = [word for word in answer.err.split() if word.startswith("whsec_")]
    assert verify(came.headers, came.body, secret).id == first["id"] == json.loads(answer.out)["id"]
    assert f"{first['type']} {first['id']}: 204" in answer.err
    for elsewhere in ("https://93.184.216.34/", "http://10.0.0.1/", "ftp://localhost/"):
        refused = command("event", "listen", "--after", "0", "--count", "1", "--forward-to", elsewhere)
        assert refused.code == 2 and "forward-to" in refused.err and refused.out == ""


def _events(command: Command, *narrowed: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command("event", "list", *narrowed, "--format", "json").out)
    return found
