"""Conditions, matches and limits as truths over a symbolic request: line for line what the engine does with facts."""

from __future__ import annotations

from policies.analysis.alphabet import fact_of
from policies.analysis.counts import Counts, Totals, seen_by
from policies.analysis.logic import NEVER, SURE, Formula, Number, Truth, all_hold, every, known, negated, some
from policies.analysis.moments import holds_at
from policies.analysis.request import ADDRESS, ASKED, TIME, Request
from policies.conditions import AgeWithin, Among, AmountWithin, Condition, UsdWithin
from policies.conditions_time import TimesOfWeek
from policies.conditions_total import CountWithin, TotalWithin
from policies.matches import Match
from policies.quantities import Threshold
from policies.readings import EVERYONE
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.vocabulary import FRESH, MUST_BE_KNOWN, SCOPES


def rule_truth(rule: Rule, request: Request, counts: Counts) -> Truth:
    """Whether a rule matches: its conditions, its totals, and of a permit its limit."""
    limits = [limit_truth(rule, request, counts)] if isinstance(rule, Permit) else []
    return all_hold([match_truth(rule.match, request, counts), *limits])


def match_truth(match: Match, request: Request, counts: Counts) -> Truth:
    """Whether a match holds of the request."""
    if request.kind not in match.kinds:
        return NEVER
    single = [condition_truth(condition, request) for condition in match.conditions]
    return all_hold([*single, *(total_truth(total, match, request, counts) for total in match.totals)])


def condition_truth(condition: Condition, request: Request) -> Truth:
    """Whether one condition holds. Raises ``TypeError`` for a kind of condition nobody has written down here."""
    if isinstance(condition, Among):
        return _among(condition, request)
    if isinstance(condition, AmountWithin):
        return _amount(condition, request, True, request.symbol("amount").value)
    if isinstance(condition, UsdWithin):
        return _usd(condition, request, True, 0)
    if isinstance(condition, AgeWithin):
        age = request.symbol(condition.field)
        return known(age.known, _within(age.value, condition.above, condition.at_most))
    if isinstance(condition, TimesOfWeek):
        now = request.symbol(TIME).value
        places = [place for place, at in enumerate(request.alphabet.moments) if holds_at(condition, at)]
        return known(True, some(now == place for place in places))
    raise TypeError(f"no formula for a condition of type {type(condition).__name__}")


def total_truth(total: TotalWithin, match: Match, request: Request, counts: Counts) -> Truth:
    """Whether what was asked for under the key, with this request, lies within the bounds."""
    totals = counts.of(seen_by(match, total.per, total.window_seconds))
    counted, bounds = every([_key_known(total.per, request), totals.known]), total.bounds
    if isinstance(bounds, AmountWithin):
        amount = request.symbol("amount").value + totals.amount
        return _amount(bounds, request, every([counted, totals.amount_known]), amount)
    if isinstance(bounds, CountWithin):
        return known(counted, _within(totals.count + 1, bounds.above, bounds.at_most))
    return _usd(bounds, request, every([counted, totals.usd_known]), totals.usd)


def limit_truth(rule: Permit, request: Request, counts: Counts) -> Truth:
    """Whether the request still fits beside what the rule's limit has seen."""
    limit = rule.limit
    if limit is None:
        return SURE
    totals = counts.of(seen_by(rule.match, limit.per, limit.window_seconds))
    parts = []
    if limit.count is not None:
        parts.append(known(True, totals.count + 1 <= limit.count))
    if limit.amount is not None:
        parts.append(_fits_amount(limit.amount, totals, request))
    if limit.usd_micros is not None:
        both = every([_usd_known(request), totals.usd_known])
        parts.append(known(both, every(value + totals.usd <= limit.usd_micros for value in _usd_values(request))))
    fits, counted = all_hold(parts), every([_key_known(limit.per, request), totals.known])
    return Truth(every([counted, fits.yes]), every([counted, fits.no]))


def gap(request: Request) -> Formula:
    """Something is unknown without which this kind is denied whatever the rules say."""
    return negated(every(request.symbol(field).known for field in MUST_BE_KNOWN.get(request.kind, ())))


def _among(condition: Among, request: Request) -> Truth:
    if condition.field == "kind":
        return SURE if request.kind in condition.values else NEVER
    field = fact_of(condition.field)
    return known(request.symbol(field).known, request.is_among(field, condition.values))


def _amount(condition: AmountWithin, request: Request, also_known: Formula, amount: Number) -> Truth:
    """False for another asset, whatever else is unknown."""
    other, readable = _asset(condition.asset, request)
    sure = every([readable, also_known])
    bounds = [] if condition.above is None else [amount > _steps(condition.above, request)]
    bounds += [] if condition.at_most is None else [amount <= _steps(condition.at_most, request)]
    return Truth(every([sure, *bounds]), some([other, every([sure, negated(every(bounds))])]))


def _fits_amount(limit: Threshold, totals: Totals, request: Request) -> Truth:
    other, readable = _asset(limit.asset, request)
    sure = every([readable, totals.amount_known])
    fits = request.symbol("amount").value + totals.amount <= _steps(limit, request)
    return Truth(every([sure, fits]), some([other, every([sure, negated(fits)])]))


def _asset(asset: str, request: Request) -> tuple[Formula, Formula]:
    """Whether the request is surely in another asset, and whether it is in this one with an amount that is known."""
    known_asset, same = request.symbol("asset").known, request.is_among("asset", {asset})
    return every([known_asset, negated(same)]), every([known_asset, same, request.symbol("amount").known])


def _usd(condition: UsdWithin, request: Request, also_known: Formula, used: Number) -> Truth:
    """True or false where it is so of the value now and of the value when asked; unknown between the two."""
    sure = every([_usd_known(request), also_known])
    answers = [_within(value + used, condition.above, condition.at_most) for value in _usd_values(request)]
    return Truth(every([sure, *answers]), every([sure, *map(negated, answers)]))


def _usd_known(request: Request) -> Formula:
    fresh = every([request.symbol("price").known, request.is_among("price", {FRESH})])
    return every([request.symbol("usd").known, fresh])


def _usd_values(request: Request) -> list[Number]:
    """The value now, and the value when asked: the same where that one is not known."""
    import z3

    now, asked = request.symbol("usd"), request.symbol(ASKED)
    return [now.value, z3.If(asked.known, asked.value, now.value)]


def _key_known(per: str, request: Request) -> Formula:
    if per == EVERYONE:
        return True
    return request.symbol(ADDRESS if per == "destination" else SCOPES[per]).known


def _within(number: Number, above: int | None, at_most: int | None) -> Formula:
    bounds = [] if above is None else [number > above]
    return every([*bounds, *([] if at_most is None else [number <= at_most])])


def _steps(threshold: Threshold, request: Request) -> int:
    return request.alphabet.scaled(threshold.digits, threshold.places)
