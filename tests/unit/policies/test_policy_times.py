"""Times of the week: half-open spans of the wall clock, over changes of the clock, whatever zone the machine is in."""

from __future__ import annotations

import time
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import tzdata

from policies.conditions_time import WEEK, TimesOfWeek, read_times, zone_names, zone_of
from policies.decision import Outcome
from policies.strict_yaml import PolicyError, read_yaml
from tests.unit.policies.builders import a_document, a_withdrawal, decide


def times(text: str) -> TimesOfWeek:
    return read_times(read_yaml(text, what="times"))


def at(moment: str, text: str) -> bool:
    return times(text).holds(a_withdrawal(now=datetime.fromisoformat(moment)))


OFFICE = '{within: ["Mon-Fri 09:00-17:00", "Sat 10:00-12:00"], zone: UTC}'


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-02T08:59:59.999999Z", False),
        ("2026-03-02T09:00:00Z", True),
        ("2026-03-06T16:59:59.999999Z", True),
        ("2026-03-06T17:00:00Z", False),
        ("2026-03-07T10:00:00Z", True),
        ("2026-03-07T12:00:00Z", False),
        ("2026-03-08T11:00:00Z", False),
    ],
)
def test_a_span_holds_its_first_moment_and_not_its_last(moment: str, inside: bool) -> None:
    assert at(moment, OFFICE) is inside
    assert at(moment, OFFICE.replace("within", "outside")) is not inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-06T21:59:59Z", False),
        ("2026-03-06T22:00:00Z", True),
        ("2026-03-06T23:59:59.999999Z", True),
        ("2026-03-07T00:00:00Z", True),
        ("2026-03-07T04:00:00Z", False),
    ],
)
def test_over_midnight_is_two_spans_without_a_gap(moment: str, inside: bool) -> None:
    assert at(moment, '{within: ["Fri 22:00-24:00", "Sat 00:00-04:00"], zone: UTC}') is inside


BERLIN = '{within: ["Sun 02:00-03:00"], zone: Europe/Berlin}'


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-29T00:59:59Z", False),  # 01:59:59, and the next second is 03:00
        ("2026-03-29T01:00:00Z", False),
        ("2026-10-25T00:00:00Z", True),  # 02:00 in summer time
        ("2026-10-25T00:59:59Z", True),
        ("2026-10-25T01:00:00Z", True),  # 02:00 again, in winter time
        ("2026-10-25T01:59:59Z", True),
        ("2026-10-25T02:00:00Z", False),
        ("2026-11-01T00:30:00Z", False),
        ("2026-11-01T01:30:00Z", True),
    ],
)
def test_an_hour_the_clock_skips_is_never_and_one_it_repeats_is_twice(moment: str, inside: bool) -> None:
    assert at(moment, BERLIN) is inside


def test_the_same_hour_of_the_wall_is_another_hour_of_the_world_after_the_clock_changed() -> None:
    nine = '{within: ["Mon 09:00-10:00"], zone: Europe/Berlin}'
    assert (at("2026-03-23T08:30:00Z", nine), at("2026-03-30T08:30:00Z", nine)) == (True, False)
    assert (at("2026-03-23T07:30:00Z", nine), at("2026-03-30T07:30:00Z", nine)) == (False, True)


def test_a_zone_may_be_in_another_week_than_utc() -> None:
    assert at("2026-03-08T20:00:00Z", '{within: ["Mon 00:00-12:00"], zone: Pacific/Auckland}')
    assert at("2026-03-09T05:00:00Z", '{within: ["Sun 12:00-24:00"], zone: Pacific/Honolulu}')


@pytest.mark.parametrize("machine", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_p063_neither_the_machines_zone_nor_the_facts_zone_changes_an_answer(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        moment = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
        for zone in (UTC, ZoneInfo("Asia/Tokyo"), timezone(timedelta(hours=-9, minutes=-30))):
            facts = a_withdrawal(now=moment.astimezone(zone))
            assert times('{within: ["Mon 09:00-10:00"], zone: Europe/Berlin}').holds(facts)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_zones_are_of_the_pinned_package_whatever_the_machine_says(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    rules = resources.files(tzdata).joinpath("zoneinfo", "UTC").read_bytes()
    (tmp_path / "Europe" / "Berlin").write_bytes(rules)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    try:
        summer = datetime(2026, 7, 1, tzinfo=UTC)
        assert summer.astimezone(ZoneInfo.no_cache("Europe/Berlin")).hour == 0, "the machine's own is wrong"
        assert summer.astimezone(zone_of.__wrapped__("Europe/Berlin")).hour == 2
    finally:
        zoneinfo.reset_tzpath()


def test_zones_are_named_as_the_package_names_them() -> None:
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= zone_names()
    assert not {"localtime", "../UTC", "posixrules", ""} & zone_names()
    assert all(zone_of(name) for name in zone_names())


def test_spans_that_touch_or_overlap_are_one() -> None:
    read = times('{within: ["Mon 10:00-12:00", "Mon 11:00-13:00", "Mon 13:00-14:00", "Sun 23:00-24:00"], zone: UTC}')
    assert read.spans == ((600, 840), (WEEK - 60, WEEK))
    assert read.words == ("time is within Mon 10:00-12:00, Mon 11:00-13:00, Mon 13:00-14:00, Sun 23:00-24:00 in UTC")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{within: ["Mon 9:00-17:00"], zone: UTC}', "within[0]"),
        ('{within: ["Mon 17:00-09:00"], zone: UTC}', "within[0]"),
        ('{within: ["Mon 09:00-09:00"], zone: UTC}', "within[0]"),
        ('{within: ["Mon 09:00-24:01"], zone: UTC}', "within[0]"),
        ('{within: ["Mon 24:00-24:00"], zone: UTC}', "within[0]"),
        ('{within: ["Sun-Mon 09:00-10:00"], zone: UTC}', "within[0]"),
        ('{within: ["Monday 09:00-10:00"], zone: UTC}', "within[0]"),
        ('{within: ["Mon-Fri 09:00-10:00", "09:00-10:00"], zone: UTC}', "within[1]"),
        ('{within: ["Mon-Sun 00:00-24:00"], zone: UTC}', "within"),
        ("{within: [], zone: UTC}", "within"),
        ("{zone: UTC}", "times"),
        ('{within: "Mon 09:00-10:00", outside: "Tue 09:00-10:00", zone: UTC}', "times"),
        ('{within: "Mon 09:00-10:00"}', "times"),
        ('{within: "Mon 09:00-10:00", zone: Europe/Atlantis}', "zone"),
        ('{within: "Mon 09:00-10:00", zone: ../UTC}', "zone"),
        ('{within: "Mon 09:00-10:00", zone: localtime}', "zone"),
        ('{during: "Mon 09:00-10:00", zone: UTC}', "during"),
    ],
)
def test_refuses_times_that_say_nothing_or_two_things(text: str, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        times(text)
    assert caught.value.field == (field if field != "times" else "")
    assert caught.value.accepted


def test_a_rule_may_stand_outside_office_hours_only() -> None:
    document = a_document(
        "  - permit: any\n    match: {kind: withdrawal}\n  - require: two at night\n"
        '    match: {kind: withdrawal, time: {outside: ["Mon-Fri 09:00-17:00"], zone: UTC}}\n    approvals: {risk: 1}'
    )
    assert decide(document, a_withdrawal(now=datetime(2026, 3, 2, 12, tzinfo=UTC))).outcome is Outcome.ALLOW
    assert decide(document, a_withdrawal(now=datetime(2026, 3, 1, 12, tzinfo=UTC))).outcome is Outcome.REQUIRE
