"""Dividing what is under older keysets into sweeps that leave nothing behind. Asks nodes for fees, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from custody.chains.port import Planner
from custody.chains.registry import spending
from custody.chains.spending import Candidates, SpendRules, leaving
from custody.rotation.model import Left, Place, RotationPlan, Standing, Step

TOO_LITTLE: Final = "not worth the fee of moving it"
NO_VAULT: Final = "the client has no vault of the newest keyset yet"


@dataclass(frozen=True, slots=True)
class Means:
    """What one chain is asked with. ``fee_rate`` is in the chain's own unit, None for the node's estimate."""

    node: Planner
    rules: SpendRules
    fee_rate: int | None = None


def plan(standing: Standing, *, means: Mapping[str, Means], most_inputs: int) -> RotationPlan:
    """The sweeps to ask for, each of at most ``most_inputs`` coins, and what none of them moves.

    No client is asked for more than is free of its money, and no coin is counted twice: a pool's coins go to its
    clients in turn, accounts first to whom they were made for. Raises ``NodeNotReady`` and ``NodeUnavailable``.
    """
    division = _Division(means, most_inputs, dict(standing.available))
    free = [place for place in standing.places if not place.stopped and place.to is not None]
    for place in free:
        division.divide(place, _own(place))
    for place in free:
        if place.is_shared:
            division.divide(place, place.candidates)
    return RotationPlan(tuple(division.steps), tuple(_left(standing, division)))


@dataclass
class _Division:
    means: Mapping[str, Means]
    most_inputs: int
    available: dict[tuple[str, str], int]
    steps: list[Step] = field(default_factory=list)
    taken: set[tuple[str, str]] = field(default_factory=set)
    """Asset and coin or account."""

    def divide(self, place: Place, candidates: Candidates) -> None:
        whose = (place.client, place.asset)
        units = self.available.get(whose, 0)
        rest = self.untaken(place, candidates)
        if place.to is None or units <= 0 or not (rest.coins or rest.accounts):
            return
        asked = replace(rest, order=replace(rest.order, units=units))
        chain = asked.order.chain
        with_ = self.means[chain]
        found = with_.node.share(asked, rules=with_.rules, most_inputs=self.most_inputs, fee_rate=with_.fee_rate)
        for share in found.shares:
            self.steps.append(
                Step(
                    client=place.client,
                    chain=chain,
                    asset=place.asset,
                    out_of=place.vault,
                    to=place.to,
                    units=share.units,
                    max_fee_units=share.fee_units,
                    inputs=len(share.takes),
                )
            )
            self.available[whose] -= leaving(spending(chain), units=share.units, fee_units=share.fee_units)
            self.taken |= {(place.asset, each) for each in share.takes}

    def untaken(self, place: Place, candidates: Candidates) -> Candidates:
        return replace(
            candidates,
            coins=tuple(coin for coin in candidates.coins if (place.asset, coin.claim) not in self.taken),
            accounts=tuple(each for each in candidates.accounts if (place.asset, each.address) not in self.taken),
        )


def _own(place: Place) -> Candidates:
    accounts = tuple(each for each in place.candidates.accounts if each.client in (None, place.client))
    return replace(place.candidates, accounts=accounts)


def _left(standing: Standing, division: _Division) -> Iterator[Left]:
    told: set[tuple[str, str]] = set()
    for place in standing.places:
        rest = division.untaken(place, place.candidates)
        units = sum(coin.units for coin in rest.coins) + sum(each.units for each in rest.accounts)
        # Of a pool's money nobody can say whose the last of it is: it is told once, and not as anybody's.
        if not units or (place.vault, place.asset) in told:
            continue
        told.add((place.vault, place.asset))
        whose = "" if place.is_shared else place.client
        why = place.stopped or (NO_VAULT if place.to is None else TOO_LITTLE)
        yield Left(whose, place.vault, place.asset, units, why)
