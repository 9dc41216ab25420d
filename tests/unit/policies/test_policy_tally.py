"""The tally: one human counts once."""

from __future__ import annotations

from policies.decision import Obligations
from policies.tally import Tally, satisfied

GROUPS = {"operators": {"alice", "bob", "carol"}, "risk": {"carol", "dan"}}
THREE = Obligations({"operators": 2, "risk": 1})


def test_nothing_required_is_met_by_nobody() -> None:
    assert satisfied(Obligations(), GROUPS, []) == Tally((), {}, True)


def test_two_people_do_not_fill_three_places_though_one_is_in_both_groups() -> None:
    tally = satisfied(THREE, GROUPS, ["alice", "carol"])
    assert not tally.met
    assert sum(tally.missing.values()) == 1


def test_three_people_fill_three_places_wherever_the_shared_one_is_needed() -> None:
    assert satisfied(THREE, GROUPS, ["alice", "bob", "carol"]).met
    assert satisfied(THREE, GROUPS, ["carol", "alice", "dan"]).met


def test_somebody_moves_over_so_that_another_can_sit() -> None:
    groups = {"operators": {"alice", "bob"}, "risk": {"alice"}}
    assert satisfied(Obligations({"operators": 1, "risk": 1}), groups, ["alice", "bob"]).met


def test_the_same_human_twice_counts_once() -> None:
    assert satisfied(Obligations({"operators": 2}), GROUPS, ["alice", "alice"]) == Tally(
        ("alice",), {"operators": 1}, False
    )


def test_the_initiator_never_counts() -> None:
    tally = satisfied(Obligations({"operators": 2}), GROUPS, ["alice", "bob"], initiator="alice")
    assert tally == Tally(("bob",), {"operators": 1}, False)


def test_somebody_of_no_required_group_does_not_count() -> None:
    assert satisfied(Obligations({"risk": 1}), GROUPS, ["alice", "mallory"]) == Tally((), {"risk": 1}, False)


def test_a_group_nobody_defined_is_never_met() -> None:
    assert satisfied(Obligations({"board": 2}), GROUPS, ["alice", "dan"]).missing == {"board": 2}


def test_an_absurd_number_asked_for_costs_nothing_and_is_never_met() -> None:
    tally = satisfied(Obligations({"operators": 2**53 - 1, "risk": 1}), GROUPS, ["alice", "dan"])
    assert tally == Tally(("alice", "dan"), {"operators": 2**53 - 2}, False)
