"""Webhooks and notices in a browser: an operator has himself told of what waits, and stops an endpoint."""

from __future__ import annotations

from custody.jobs import operations as jobs
from custody.jobs.model import ResendAsked
from custody.notices import queries as notices
from custody.webhooks import operations, queries
from custody.webhooks.signing import Sealer
from tests.browser.conftest import Stage
from tests.browser.looking import look, look_at
from tests.support.notices import mailed_code


def endpoint(stage: Stage) -> str:
    house = stage.house
    with house.db.unit() as unit:
        made = operations.add(
            unit.session,
            url="https://books.example.com/a/rather/long/path/of/hooks?tenant=acme",
            client="acme",
            types=[],
            payload="full",
            label="books",
            sealer=Sealer(house.runtime.seal_key),
            actor="test",
            now=unit.now,
        )
    stage.digest()
    with house.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        jobs.ask_to_resend(
            unit.session,
            asked=ResendAsked(made.endpoint.id, None),
            requester="bob",
            idempotency_key="again",
            correlation_id="",
            now=unit.now,
        )
    return made.endpoint.id


def test_an_endpoint_is_stopped_and_an_operator_is_told(stage: Stage) -> None:
    name = endpoint(stage)
    alice = stage.person("alice")
    look(alice, "/console/webhooks", "webhooks")
    look(alice, f"/console/webhooks/{name}", "webhook")
    alice.page.click("text=Disable …")
    look_at(alice, "webhook-question")
    assert alice.sign() == 201
    alice.page.wait_for_selector("text=disabled by alice")
    with stage.house.db.unit() as unit:
        assert queries.get(unit.session, endpoint=name).state == "disabled"

    look(alice, "/console/notices", "notices-none")
    alice.page.fill("#address", "nobody")
    alice.page.click("text=Be told there …")
    alice.page.wait_for_selector("#problem")
    assert [each for each in alice.said if "422" not in each] == []
    alice.said.clear()
    alice.page.fill("#address", "alice@example.com")
    alice.page.click("text=Be told there …")
    look_at(alice, "notices-question")
    assert alice.sign() == 201
    alice.page.fill("#code", "1234")
    alice.page.click("text=Confirm …")
    alice.page.wait_for_selector("text=not the code")
    look_at(alice, "notices-code-wrong")
    alice.said.clear()
    alice.page.fill("#code", mailed_code(stage.house.db, stage.house.runtime.seal_key, "alice"))
    alice.page.click("text=Confirm …")
    look_at(alice, "notices-confirmed")
    assert alice.sign() == 201
    alice.page.wait_for_selector("text=You are told nowhere", state="detached")
    look_at(alice, "notices")
    with stage.house.db.unit() as unit:
        (channel,) = notices.channels(unit.session)
        assert (channel.operator, channel.is_on, channel.confirmed_at is not None) == ("alice", True, True)
    assert alice.said == []
