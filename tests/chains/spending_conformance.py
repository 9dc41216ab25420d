"""What every chain's spending must do, whichever chain it is. A chain's own test file subclasses
``SpendingConformance`` and gives it the fixtures and ``answer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from custody.chains.registry import spending
from custody.chains.spending import AnswerRefused, Composed, Final, Plan, Spending
from custody.evidence.keysets import Keyset
from custody.kernel.errors import InvalidInput, Refused
from custody.signing.operations import INNOCENT


class SpendingConformance:
    """Subclass as ``Test…``."""

    branch = 0
    change_index: int | None = None

    @pytest.fixture
    def where(self) -> Spending:
        raise LookupError("a subclass gives the spending")

    @pytest.fixture
    def keyset(self) -> Keyset:
        raise LookupError("a subclass gives a keyset of this chain, 2 of 3")

    @pytest.fixture
    def plan(self) -> Plan:
        raise LookupError("a subclass gives a plan of one input")

    @pytest.fixture
    def others(self) -> Mapping[str, Plan]:
        raise LookupError("a subclass gives plans with another amount, recipient, claim, and asset where there is one")

    def answer(self, plan: Plan, unsigned: str, name: str) -> str:
        """What the cosigner returns."""
        raise LookupError("a subclass signs")

    def composed(self, where: Spending, keyset: Keyset, plan: Plan) -> Composed:
        return where.compose(plan, keyset=keyset, branch=self.branch, change_index=self.change_index)

    def read(self, where: Spending, keyset: Keyset, plan: Plan, answer: object, name: str) -> dict[str, str]:
        unsigned = self.composed(where, keyset, plan).unsigned
        return where.read_answer(
            answer, unsigned=unsigned, inputs=plan.inputs, keyset=keyset, branch=self.branch, cosigner=name
        )

    def final(self, where: Spending, keyset: Keyset, plan: Plan, names: tuple[str, ...]) -> Final:
        unsigned = self.composed(where, keyset, plan).unsigned
        found = {name: self.read(where, keyset, plan, self.answer(plan, unsigned, name), name) for name in names}
        return where.finalise(found, unsigned=unsigned, inputs=plan.inputs, keyset=keyset, branch=self.branch)

    def test_is_served_under_its_chain(self, where):
        assert spending(where.chain).chain == where.chain
        assert spending(where.chain).fees_from_vault == where.fees_from_vault

    def test_composes_equal_bytes_of_equal_values_and_another_spend_of_others(self, where, keyset, plan, others):
        found = self.composed(where, keyset, plan)
        assert self.composed(where, keyset, plan) == found
        assert {"amount", "recipient", "claim"} <= set(others)
        different = [self.composed(where, keyset, other) for other in others.values()]
        assert len({found.spend, *(other.spend for other in different)}) == len(different) + 1
        assert len({found.unsigned, *(other.unsigned for other in different)}) == len(different) + 1

    def test_pays_nobody_only_where_a_spend_can_be_left(self, where, keyset, plan):
        given_up = replace(plan, order=replace(plan.order, pays_nobody=True))
        if not where.can_be_left:
            with pytest.raises(InvalidInput):
                self.composed(where, keyset, given_up)
            return
        found = self.composed(where, keyset, given_up)
        effect = where.payments_of(found.unsigned)
        assert (effect.payments, effect.claims, effect.spend) == ((), frozenset(plan.claims), found.spend)
        assert found.spend != self.composed(where, keyset, plan).spend

    def test_says_exactly_what_the_order_says(self, where, keyset, plan, others):
        for asked in (plan, *others.values()):
            found = self.composed(where, keyset, asked)
            effect, order = where.payments_of(found.unsigned), asked.order
            first, *rest = effect.payments
            assert (first.locator, first.units, first.asset) == (order.locator, order.units, order.asset)
            assert [payment.units for payment in rest] == [asked.change_units] * asked.brings_change
            assert (effect.spend, effect.claims, effect.fee_units) == (
                found.spend,
                frozenset(asked.claims),
                found.fee_units,
            )

    def test_two_attempts_on_one_claim_share_it_and_others_do_not(self, where, keyset, plan, others):
        claims = where.payments_of(self.composed(where, keyset, plan).unsigned).claims
        for name, other in others.items():
            shared = claims & where.payments_of(self.composed(where, keyset, other).unsigned).claims
            assert bool(shared) == (name != "claim")

    def test_takes_each_cosigners_own_answer(self, where, keyset, plan):
        unsigned = self.composed(where, keyset, plan).unsigned
        answers = [
            self.read(where, keyset, plan, self.answer(plan, unsigned, member.id), member.id)
            for member in keyset.cosigners
        ]
        assert len({tuple(sorted(found.items())) for found in answers}) == len(keyset.cosigners)

    def test_refuses_the_answer_of_another_cosigner_without_suspecting_anybody(self, where, keyset, plan):
        first, second, _ = (member.id for member in keyset.cosigners)
        theirs = self.answer(plan, self.composed(where, keyset, plan).unsigned, first)
        with pytest.raises(AnswerRefused) as refused:
            self.read(where, keyset, plan, theirs, second)
        assert refused.value.facts["reason"] in INNOCENT

    def test_refuses_an_answer_to_another_attempt(self, where, keyset, plan, others):
        name = keyset.cosigners[0].id
        for other in others.values():
            theirs = self.answer(other, self.composed(where, keyset, other).unsigned, name)
            with pytest.raises(AnswerRefused) as refused:
                self.read(where, keyset, plan, theirs, name)
            assert refused.value.facts["reason"] not in INNOCENT

    def test_refuses_what_is_no_answer(self, where, keyset, plan):
        name = keyset.cosigners[0].id
        good = self.answer(plan, self.composed(where, keyset, plan).unsigned, name)
        for wrong in ("", None, 7, [], {"0": good}, good[:-2], good + good):
            with pytest.raises(InvalidInput):
                self.read(where, keyset, plan, wrong, name)

    def test_finalises_at_quorum_what_it_composed(self, where, keyset, plan):
        found, names = self.composed(where, keyset, plan), tuple(member.id for member in keyset.cosigners)
        for quorum in (names[:2], names[1:], names[1::-1]):
            final = self.final(where, keyset, plan, quorum)
            assert where.is_signed(found.unsigned, final.raw)
            assert where.read_final(final.raw) == final
            assert final.spend == found.spend
        with pytest.raises(Refused):
            self.final(where, keyset, plan, names[:1])

    def test_tells_the_signed_attempt_from_others(self, where, keyset, plan, others):
        names = tuple(member.id for member in keyset.cosigners)[:2]
        final = self.final(where, keyset, plan, names)
        for other in others.values():
            assert not where.is_signed(self.composed(where, keyset, other).unsigned, final.raw)
        for wrong in (b"", final.raw[:-1], final.raw + b" "):
            with pytest.raises(InvalidInput):
                where.read_final(wrong)

    def test_refuses_stored_signatures_under_another_name(self, where, keyset, plan):
        first, second, third = (member.id for member in keyset.cosigners)
        unsigned = self.composed(where, keyset, plan).unsigned
        found = {
            name: self.read(where, keyset, plan, self.answer(plan, unsigned, name), name) for name in (first, second)
        }
        swapped = {first: found[first], third: found[second]}
        with pytest.raises(AnswerRefused):
            where.finalise(swapped, unsigned=unsigned, inputs=plan.inputs, keyset=keyset, branch=self.branch)
