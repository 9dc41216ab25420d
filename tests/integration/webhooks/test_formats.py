"""CloudEvents, where an endpoint asks for them: signed whole, and the same event inside; nothing changes for others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custody.sdk.webhooks import NotTheHouses, verify
from custody.webhooks import operations
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.test_receiver import from_the_page, in_a_shell, in_node

SOURCE = "/custody/custody.example.com"


def test_a_cloud_event_holds_the_event_and_says_what_it_is(post: Post) -> None:
    post.add(source=SOURCE)
    post.tell("a")
    post.push()
    ((told,), (came,)) = [event for event in post.events() if event.kind == "thing"], post.receiver.came
    assert came.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert json.loads(came.body) == {
        "specversion": "1.0",
        "id": came.headers["webhook-id"],
        "source": SOURCE,
        "type": "custody.thing.changed",
        "subject": "a",
        "time": told.to_json()["occurred_at"],
        "datacontenttype": "application/json",
        "data": told.to_json(),
    }


def test_p113_everything_a_cloud_event_says_is_signed(post: Post, tmp_path: Path) -> None:
    made = post.add(source=SOURCE, payload="thin")
    post.tell("a")
    post.push()
    (came,) = post.receiver.came
    assert from_the_page()(made.secret.text, came.headers, came.body) is True
    found = verify(came.headers, came.body, made.secret.public_text)
    assert (found.type, found.subject, found.data) == ("thing.changed", "a", {})
    assert in_node(tmp_path, made.secret.public_text, came.headers, came.body)
    assert in_a_shell(tmp_path, made.secret.text, came.headers, came.body)
    for said, instead in ((b"custody.thing", b"custody.other"), (b'"subject":"a"', b'"subject":"b"')):
        assert said in came.body
        with pytest.raises(NotTheHouses):
            verify(came.headers, came.body.replace(said, instead), made.secret.text)
        with pytest.raises(ValueError, match="not signed"):
            from_the_page()(made.secret.text, came.headers, came.body.replace(said, instead))


def test_the_form_is_each_endpoints_own_and_can_be_changed(post: Post) -> None:
    plain, cloud = post.add(), post.add(source=SOURCE)
    post.tell("a")
    assert post.push() == 2
    bodies = {came.headers["content-type"].partition(";")[0]: json.loads(came.body) for came in post.receiver.came}
    assert bodies["application/cloudevents+json"]["data"] == bodies["application/json"]
    with post.db.unit() as unit:
        operations.change(
            unit.session, endpoint=cloud.endpoint.id, sealer=post.sealer, actor="test", now=unit.now, source=""
        )
    assert [post.endpoint(each).to_json()["format"] for each in (plain, cloud)] == ["standard", "standard"]
    post.receiver.came.clear()
    post.tell("b")
    post.push()
    assert {came.headers["content-type"] for came in post.receiver.came} == {"application/json"}
