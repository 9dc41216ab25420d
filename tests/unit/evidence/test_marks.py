"""What pinned services' statements amount to: medians, disputes, ages, and what screening says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from custody.evidence import marks
from custody.evidence.statements import AHEAD, Price, SignedStatement
from custody.evidence.trust_root import PriceRules, TrustRoot
from tests.cosigner.builders import NOW, REGTEST, World, address
from tests.support.sources import PICOS, PRICE_SOURCES, price, prices, screening, sources, stated

BTC = REGTEST.asset.id
RULES = PriceRules(max_age_seconds=900, deviation_bps=500)
SECOND = timedelta(seconds=1)


def root(*names: str, screeners: tuple[str, ...] = ("screener-1",)) -> TrustRoot:
    return replace(World().root, services=sources(names or PRICE_SOURCES, screeners), prices=RULES)


def quoted(*statements: SignedStatement, at: TrustRoot | None = None) -> marks.Quote:
    return marks.quote(statements, asset=BTC, root=at or root(), now=NOW)


def at(*dollars: int, by: tuple[str, ...] = PRICE_SOURCES, age: timedelta = timedelta(0)) -> list[SignedStatement]:
    return [price(BTC, usd, NOW - age, by=name) for name, usd in zip(by, dollars, strict=False)]


def test_takes_the_median_whatever_the_order() -> None:
    for order in permutations((60_000, 60_100, 59_000)):
        found = quoted(*at(*order))
        assert (found.state, found.usd_picos, found.apart) == ("fresh", 60_000 * PICOS, ())


def test_takes_the_middle_of_an_even_number_and_rounds_up() -> None:
    pinned = root("a", "b")
    found = quoted(*(stated(Price(BTC, picos, NOW), by) for by, picos in (("a", 100), ("b", 101))), at=pinned)
    assert (found.state, found.usd_picos) == ("fresh", 101)


@pytest.mark.parametrize(("pinned", "needed"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_needs_three_sources_or_all_where_fewer_are_pinned_and_always_most(pinned: int, needed: int) -> None:
    names = tuple(f"s{number}" for number in range(pinned))
    here = replace(World().root, services=sources(names))
    assert marks.sources_needed(here) == needed
    for count in range(pinned + 1):
        found = quoted(*at(*[60_000] * count, by=names), at=here)
        assert found.state == ("fresh" if needed and count >= needed else "missing")


def test_one_source_off_by_ten_disputes_and_the_median_stands() -> None:
    found = quoted(*at(60_000, 600_000, 60_100))
    assert (found.state, found.usd_picos, found.apart) == ("disputed", 60_100 * PICOS, ("ticker-2",))
    assert found.worth(10**8, decimals=8) is None


@pytest.mark.parametrize(
    ("usd", "state"), [(63_000, "fresh"), (63_001, "disputed"), (57_000, "fresh"), (56_999, "disputed")]
)
def test_disputes_strictly_beyond_the_deviation(usd: int, state: str) -> None:
    assert quoted(*at(60_000, 60_000, usd)).state == state


def test_ages_to_the_second() -> None:
    limit = timedelta(seconds=RULES.max_age_seconds)
    assert quoted(*at(1, 1, 1, age=limit)).state == "fresh"
    old = quoted(*at(1, 1, 1, age=limit + timedelta(microseconds=1)))
    assert (old.state, old.usd_picos, old.worth(1, decimals=0)) == ("stale", PICOS, None)
    mixed = quoted(*at(1, 1), price(BTC, 1, NOW - limit - SECOND, by="ticker-3"))
    assert mixed.state == "stale"


def test_counts_the_age_of_the_oldest_mark() -> None:
    found = quoted(*at(1, 1), price(BTC, 1, NOW - 100 * SECOND, by="ticker-3"))
    assert found.age_seconds == 100


def test_only_the_newest_mark_of_a_source_counts() -> None:
    for order in (1, -1):
        both = [price(BTC, 50_000, NOW - SECOND), price(BTC, 60_000, NOW)][::order]
        assert quoted(*both, *at(0, 60_000, 60_000)[1:]).usd_picos == 60_000 * PICOS


@pytest.mark.parametrize("picos", [0, -1])
def test_a_mark_that_is_not_positive_is_none(picos: int) -> None:
    bad = stated(Price(BTC, picos, NOW), "ticker-1")
    assert quoted(bad, *at(0, 60_000, 60_000)[1:]).state == "missing"
    assert quoted(price(BTC, 1, NOW - SECOND), bad, *at(0, 1, 1)[1:]).state == "missing"


def test_what_nobody_pinned_or_is_of_another_asset_or_of_later_does_not_count() -> None:
    two = at(60_000, 60_000)
    for third in (
        price(BTC, 60_000, NOW, by="stranger"),
        price(BTC, 60_000, NOW, by="screener-1"),
        price("bip122:0/slip44:0", 60_000, NOW, by="ticker-3"),
        price(BTC, 60_000, NOW + AHEAD + SECOND, by="ticker-3"),
    ):
        assert quoted(*two, third).state == "missing"
    assert quoted(*two, price(BTC, 60_000, NOW + AHEAD, by="ticker-3")).state == "fresh"


def test_worth_is_rounded_up_and_exact() -> None:
    found = quoted(*at(60_000, 60_000, 60_000))
    assert found.worth(1, decimals=8) == 600
    assert quoted(*(stated(Price(BTC, 1, NOW), by) for by in PRICE_SOURCES)).worth(1, decimals=8) == 1
    assert found.worth(10**77, decimals=0) is None, "more than an amount can be"


def test_screening_is_the_newest_of_each_service_and_the_worst_of_them() -> None:
    here, to = root(screeners=("s1", "s2")), address("somebody")

    def said(*found: tuple[str, str, int]) -> str | None:
        all_said = [screening(REGTEST.chain, to, word, NOW - age * SECOND, by=by) for by, word, age in found]
        return marks.result_of(marks.screened(all_said, chain=REGTEST.chain, destination=to, root=here, now=NOW))

    assert said() is None
    assert said(("s1", "clear", 5)) == "clear"
    assert said(("s1", "hit", 5), ("s1", "clear", 1)) == "clear"
    assert said(("s1", "clear", 1), ("s2", "review", 5)) == "review"
    assert said(("s1", "hit", 9), ("s2", "clear", 1)) == "hit"
    assert said(("stranger", "clear", 1)) is None
    day = 24 * 3600
    assert said(("s1", "clear", day)) == "clear"
    assert said(("s1", "clear", day + 1)) is None
    assert said(("s1", "clear", -121)) is None


def test_screening_of_another_destination_or_chain_says_nothing() -> None:
    here, to = root(), address("somebody")
    for chain, destination in ((REGTEST.chain, address("other")), ("eip155:1", to)):
        said = [screening(chain, destination, "clear", NOW)]
        assert marks.screened(said, chain=REGTEST.chain, destination=to, root=here, now=NOW) is None


def test_prices_of_all_sources_helper_is_fresh() -> None:
    assert quoted(*prices(BTC, 60_000, NOW)).state == "fresh"
