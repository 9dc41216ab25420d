"""Who is not looking is told, once, in the house's words, with nothing to press."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from custody.approvals import queries as intents
from custody.approvals.saying import words_of
from custody.evidence.codes import digest_code
from custody.kernel.errors import InvalidInput
from custody.notices import choosing, operations
from custody.notices.choosing import ChannelState, UnknownChannel
from custody.notices.effect import tell
from custody.notices.model import MAIL, MOST_SAID, WAITS, WEBHOOK
from custody.telemetry.readings import _notices
from custody.trust.assets import known_assets
from tests.integration.movements.counting import statements_of
from tests.integration.notices.conftest import LARGE, SMALL, Office
from tests.integration.notices.mailbox import Mailbox, certificate
from tests.support import crowd
from tests.support.notices import mailed_code


def words(office: Office, digest: str) -> list[str]:
    with office.house.db.unit() as unit:
        return words_of(intents.get(unit.session, digest=digest), known_assets(unit.session))


def test_an_operator_is_told_once_by_mail_and_by_webhook(office: Office) -> None:
    office.choose("alice")
    secret = office.choose("alice", WEBHOOK).secret
    assert secret is not None
    office.ask(SMALL)
    assert office.turn() == 0, "nobody is asked for a small one"
    digest = office.ask(purpose="order 7; see https://evil.example/approve")
    assert office.turn() == 2
    (mail,) = office.mailbox.came
    assert mail.to == ("alice@example.com",)
    assert mail.mail["Subject"] == "1 request waits for you at demo"
    assert mail.text.startswith("\n".join(words(office, digest)))
    assert digest_code(digest) in mail.text
    assert re.findall(r"https?://\S+", mail.text) == ["https://evil.example/approve"], "the one its asker wrote"
    (pushed,) = office.receiver.came
    Webhook(secret.text).verify(pushed.body, pushed.headers)
    told = json.loads(pushed.body)
    (intent,) = told["data"]["intents"]
    assert (intent["words"], intent["code"], intent["digest"]) == (words(office, digest), digest_code(digest), digest)
    assert told["data"]["operator"] == "alice"
    assert office.later(minutes=10) == 0, "told once"
    assert {each.state for each in office.messages()} == {"sent"}


def test_a_mail_address_is_told_nothing_until_its_code_came_back(office: Office) -> None:
    office.name("alice")
    waits = office.ask()
    assert office.turn() == 1
    (first,) = office.mailbox.came
    assert first.mail["Subject"] == "Confirm this address at demo"
    (code,) = re.findall(r"\d{4} \d{4}", first.text)
    assert digest_code(waits) not in first.text and "http" not in first.text
    assert office.turn() == 0
    wrong = f"{(int(code.replace(' ', '')) + 1) % 10**8:08d}"
    for operator, given, refusal in (
        ("alice", wrong, InvalidInput),
        ("alice", "", InvalidInput),
        ("bob", code, UnknownChannel),
        ("alice", code, None),
        ("alice", code, ChannelState),
    ):
        with pytest.raises(refusal) if refusal else nullcontext():
            confirm(office, operator, given)
    assert office.turn() == 1, "that a code was sent just now does not keep it back"
    assert digest_code(waits) in office.mailbox.came[1].text
    office.name("alice", address="elsewhere@example.com")
    with pytest.raises(InvalidInput):
        confirm(office, "alice", code)
    assert office.later(minutes=6) == 1, "another address is asked anew"
    assert office.mailbox.came[2].to == ("elsewhere@example.com",)
    office.name("alice")
    confirm(office, "alice", mailed_code(office.house.db, office.house.runtime.seal_key, "alice"))
    assert office.later(minutes=6) == 0, "a code that nobody needs any more is not sent"


def test_an_address_altered_in_the_database_is_sent_nothing(office: Office) -> None:
    for name in ("alice", "carol"):
        office.choose(name)
    office.name("bob")
    office.ask()
    with office.house.db.unit() as unit:
        unit.session.execute(text("UPDATE notice_channels SET address = 'thief@example.com', confirmed_at = now()"))
        unit.session.execute(text("UPDATE notice_channels SET secret = '' WHERE operator = 'carol'"))
        unit.session.execute(text("UPDATE notice_channels SET confirmed_at = NULL WHERE operator = 'bob'"))
    assert office.turn() == 0
    assert office.mailbox.came == []
    failed = [(name, "failed") for name in ("alice", "bob", "carol")]
    assert sorted((each.operator, each.state) for each in office.messages()) == failed
    with office.house.db.unit() as unit:
        alarms = unit.session.execute(text("SELECT subject FROM alarms WHERE kind = 'notice-not-delivered'"))
        assert sorted(alarms.scalars()) == ["alice:mail", "bob:mail", "carol:mail"]


def confirm(office: Office, operator: str, code: str) -> None:
    with office.house.db.unit() as unit:
        choosing.confirm(
            unit.session, operator=operator, kind=MAIL, code=code, sealer=office.sealer, actor=operator, now=unit.now
        )


def test_only_who_is_still_missing_is_told(office: Office) -> None:
    for name in ("alice", "bob"):
        office.choose(name)
    spoken, decided = office.ask(), office.ask()
    office.house.approve(spoken, "alice")
    office.turn()
    assert sorted(each.to[0] for each in office.mailbox.came) == ["alice@example.com", "bob@example.com"]
    alices = next(each for each in office.mailbox.came if each.to == ("alice@example.com",))
    assert digest_code(spoken) not in alices.text
    assert digest_code(decided) in alices.text
    late = office.ask()
    office.ahead += timedelta(minutes=6)
    office.collect()
    office.house.approve(late, "alice", "carol")
    office.turn()
    assert len(office.mailbox.came) == 2, "what is decided meanwhile is told to nobody"
    assert [each.state for each in office.messages()].count("dropped") == 2


def test_many_at_once_are_one_message_and_more_come_no_sooner_than_the_pace(office: Office) -> None:
    office.choose("alice")
    digests = [office.ask() for _ in range(3)]
    office.turn()
    (mail,) = office.mailbox.came
    assert mail.mail["Subject"] == "3 requests wait for you at demo"
    assert [digest for digest in digests if digest_code(digest) not in mail.text] == []
    office.ask()
    assert office.later(minutes=1) == 0
    office.ask()
    assert office.later(minutes=5) == 1
    assert office.mailbox.came[1].mail["Subject"] == "2 requests wait for you at demo"


def test_one_reminder_near_the_deadline(office: Office) -> None:
    office.choose("alice")
    office.ask(not_after=office.house.now() + timedelta(hours=5))
    office.turn()
    assert office.later(hours=2) == 0
    assert office.later(hours=1, minutes=1) == 1
    assert office.mailbox.came[1].mail["Subject"] == "1 request waits for you at demo, and soon no more"
    assert "it ends" in office.mailbox.came[1].text
    assert office.later(minutes=10) == 0, "reminded once"
    short = office.ask(not_after=office.house.now() + office.ahead + timedelta(minutes=90))
    assert office.later(minutes=6) == 1
    assert digest_code(short) in office.mailbox.came[2].text
    assert office.later(minutes=10) == 0, "who was told just now is not reminded"


def test_a_refusal_is_tried_again_and_given_up_with_an_alarm(office: Office) -> None:
    office.choose("alice")
    office.ask()
    office.mailbox.refuses = "550 no such person"
    office.turn()
    (message,) = office.messages()
    assert (message.state, message.problem) == ("waiting", "the mail server refused the address with 550")
    assert office.later(seconds=10) == 0
    office.mailbox.refuses = "550 no such person"
    for wait in WAITS:
        assert office.later(seconds=int(wait.total_seconds()) + 1) == 1
    (message,) = [each for each in office.messages() if each.state == "failed"]
    assert message.attempts == len(WAITS) + 1
    with office.house.db.unit() as unit:
        kinds = unit.session.execute(text("SELECT kind FROM alarms")).scalars().all()
    assert kinds == ["notice-not-delivered"]


def test_killed_between_sending_and_settling_it_is_sent_again_under_the_same_id(office: Office) -> None:
    office.choose("alice")
    office.choose("alice", WEBHOOK)
    office.ask()
    office.collect()
    office.postman.deliver(office.claim())
    assert office.turn() == 0, "its lease lasts"
    assert office.later(minutes=6) == 2
    assert len({each.mail["Message-ID"] for each in office.mailbox.came}) == 1
    assert len(office.mailbox.came) == 2
    assert len(set(office.receiver.ids())) == 1


def test_nothing_is_handed_over_before_tls_and_to_nobody_unknown(office: Office, tmp_path: Path) -> None:
    office.choose("alice")
    office.ask()
    served, trusted = certificate(tmp_path)
    office.mail = {"scheme": "smtp+starttls", "user": "house", "password": "open sesame"}
    office.turn()
    assert office.messages()[0].problem == "the mail server cannot be used: SMTPNotSupportedError"
    with Mailbox(tls=served) as other:
        office.mailbox = other
        office.later(seconds=20)
        assert office.messages()[0].problem == "the mail server's certificate is not valid for its name, or TLS failed"
        assert other.came == []
        office.tls = ssl.create_default_context(cafile=str(trusted))
        assert office.later(minutes=2) == 1
        (mail,) = other.came
        assert (mail.was_encrypted, mail.login) == (True, "house:open sesame")


def test_a_webhook_goes_nowhere_inside_and_an_altered_address_gets_nothing_signed(office: Office) -> None:
    office.choose("alice", WEBHOOK)
    office.choose("bob", WEBHOOK, "http://127.0.0.1:1/")
    office.ask()
    office.collect()
    with office.house.db.unit() as unit:
        unit.session.execute(
            text("UPDATE notice_channels SET address = :url WHERE operator = 'bob'"), {"url": office.receiver.url}
        )
    office.turn()
    stands = {each.operator: (each.state, each.problem) for each in office.messages()}
    assert stands["alice"] == ("sent", None)
    assert stands["bob"] == ("failed", "an endpoint's secret does not open")
    assert len(office.receiver.came) == 1


def test_channels_are_chosen_switched_and_refused_by_name(office: Office) -> None:
    for operator, kind, address, field in (
        ("mallory", MAIL, "m@example.com", "operator"),
        ("alice", "pigeon", "roof", "channel"),
        ("alice", MAIL, "alice@example.com\r\nBcc: m@example.com", "address"),
        ("alice", WEBHOOK, "ftp://example.com/", "address"),
    ):
        with pytest.raises(InvalidInput) as refused:
            office.choose(operator, kind, address)
        assert refused.value.field == field
    office.choose("alice")
    office.ask()
    with office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=False, actor="alice", now=unit.now)
    assert office.turn() == 0
    for kind, error in ((MAIL, ChannelState), (WEBHOOK, UnknownChannel)):
        with pytest.raises(error), office.house.db.unit() as unit:
            choosing.switch(unit.session, operator="alice", kind=kind, is_on=False, actor="alice", now=unit.now)
    with office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=True, actor="alice", now=unit.now)
    assert office.turn() == 1


def test_who_is_switched_off_meanwhile_is_told_nothing(office: Office) -> None:
    office.choose("alice")
    office.ask()
    office.collect()
    with office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=False, actor="alice", now=unit.now)
    assert office.claim() == []
    assert [each.state for each in office.messages()] == ["dropped"]
    with office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=True, actor="alice", now=unit.now)
    assert office.later(minutes=6) == 1, "what was never told is told"


def test_what_waits_for_a_channel_goes_to_no_address_that_is_not_confirmed(office: Office) -> None:
    office.choose("alice")
    waits = office.ask()
    office.collect()
    office.name("alice", address="elsewhere@example.com")
    assert office.turn() == 1
    assert [(each.to[0], digest_code(waits) in each.text) for each in office.mailbox.came] == [
        ("elsewhere@example.com", False)
    ]
    with office.house.db.unit() as unit:
        for is_on in (False, True):
            choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=is_on, actor="alice", now=unit.now)
    assert office.turn() == 1, "the code is sent again"
    confirm(office, "alice", mailed_code(office.house.db, office.house.runtime.seal_key, "alice"))
    assert office.later(minutes=6) == 1
    assert digest_code(waits) in office.mailbox.came[2].text


def test_a_channel_of_before_codes_keeps_nobody_else_from_hearing(office: Office) -> None:
    for name in ("alice", "bob"):
        office.choose(name)
    office.ask()
    office.collect()
    with office.house.db.unit() as unit:
        unit.session.execute(
            text("UPDATE notice_channels SET secret = NULL, confirmed_at = NULL WHERE operator = 'alice'")
        )
    assert office.turn() == 1
    assert [each.to[0] for each in office.mailbox.came] == ["bob@example.com"]
    with office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=False, actor="alice", now=unit.now)
    with pytest.raises(ChannelState), office.house.db.unit() as unit:
        choosing.switch(unit.session, operator="alice", kind=MAIL, is_on=True, actor="alice", now=unit.now)


def test_a_crowd_costs_no_more_statements(office: Office) -> None:
    """And its mail says twenty in full, and how many more there are."""
    office.choose("alice")
    office.ask(LARGE)
    few = len(statements_of(office.house.db, lambda: tell(office.house.db, office.postman, sealer=office.sealer)))
    crowd.fill(office.house, clients=20, waiting=400)
    office.ahead += timedelta(minutes=6)
    many = len(statements_of(office.house.db, office.turn))
    assert many <= few + 2
    mail = office.mailbox.came[-1]
    assert mail.mail["Subject"] == "200 requests wait for you at demo"
    assert f"{200 - MOST_SAID} more wait for you" in mail.text
    assert mail.text.count("\ncode ") == MOST_SAID


def test_old_messages_go_once_nothing_in_them_waits(office: Office) -> None:
    def prune(**before: int) -> int:
        with office.house.db.unit() as unit:
            return operations.prune(unit.session, before=unit.now + office.ahead - timedelta(**before))

    office.choose("alice")
    decided, waits = office.ask(), office.ask()
    office.turn()
    office.house.approve(decided, "bob", "carol")
    office.ahead += timedelta(days=1)
    assert prune(hours=1) == 0, "an intent of it waits, so that it is remembered"
    office.mailbox.refuses = "450 later"
    office.house.approve(waits, "bob", "carol")
    late = office.ask()
    office.turn()
    assert prune(hours=25) == 0, "it is not old"
    assert prune(hours=1) == 1
    office.house.approve(late, "bob", "carol")
    assert prune(days=-2) == 0, "what is to be sent stays"
    (left,) = office.messages()
    assert (left.state, left.problem is None) == ("waiting", False)
    with office.house.db.unit() as unit:
        told = unit.session.execute(text("SELECT digest FROM notices")).scalars().all()
    assert told == [late]


def test_what_is_not_sent_and_what_is_not_taken_are_counted(office: Office) -> None:
    def counted() -> dict[str, int]:
        with office.house.db.unit() as unit:
            found = list(_notices(unit.session, unit.now + office.ahead))
        numbers = {" ".join((each.metric.removeprefix("custody_notices_"), *each.labels)): each.value for each in found}
        assert len(numbers) == 5
        return {name: number for name, number in numbers.items() if number}

    for kind in (MAIL, WEBHOOK):
        office.choose("alice", kind)
    assert counted() == {}
    office.ask()
    office.collect()
    office.ahead += timedelta(seconds=90)
    found = counted()
    assert found.pop("lag_seconds") >= 90
    assert found == {"waiting mail": 1, "waiting webhook": 1}
    office.mailbox.refuses = "450 later"
    office.turn()
    assert counted() == {"waiting mail": 1, "failing mail": 1}
    for wait in WAITS:
        office.ahead += wait
        office.turn()
    assert counted() == {"failing mail": 1}
    office.ahead += timedelta(days=1)
    assert counted() == {}
