"""What the page of a payment says of its bytes: every output and hash, and which attempts exclude each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from custody.api.console.pages import intents as pages
from custody.approvals import queries
from custody.chains.decoding import decoded
from custody.trust import operations as trust
from custody.views.deciding import deciding
from custody.withdrawals.model import Withdrawal
from tests.integration.movements.counting import statements_of
from tests.support.console import at_console
from tests.support.road import Road, btc


def shown(road: Road, asked: Withdrawal) -> dict[str, Any]:
    with road.db.unit() as unit:
        filed = queries.get(unit.session, digest=asked.digest)
        return deciding(unit.session, filed, trust=trust.in_force(unit.session), operator="alice", now=unit.now)


def test_every_attempt_is_decoded_and_at_most_one_confirms(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    before = shown(road, asked)
    assert before["signed"] == []
    first = before["effect"]
    assert [each["what"] for each in first] == ["client, available", "client, held", "vault, on chain"]
    assert first[0]["before"] == first[0]["after"]
    assert int(first[2]["before"]["base_units"]) - int(first[2]["after"]["base_units"]) == btc("0.02") + 100_000
    assert "Nothing is composed yet" in pages.intent(at_console("alice"), before)
    road.settle()
    road.bump(asked.id, 10)
    road.settle()
    found = shown(road, asked)
    attempts = road.attempts(asked)
    assert [each["spend"] for each in found["signed"]] == [each.spend for each in attempts]
    for each, attempt in zip(found["signed"], attempts, strict=True):
        assert each["problem"] == ""
        pays = [out for out in each["outputs"] if out["what"] == "this payment"]
        change = [out for out in each["outputs"] if out["what"].startswith("change")]
        assert [out["address"] for out in pays] == [asked.destination]
        assert len(change) == 1
        assert int(each["fee"]["base_units"]) == attempt.fee_units
        total = sum(int(out["amount"]["base_units"]) for out in each["outputs"]) + attempt.fee_units
        assert total == btc("0.05")
        assert each["shared"] == sorted(attempt.claims)
        told = {line["label"]: line["value"] for line in each["screens"][0]["lines"]}
        assert told["Network fee"].startswith(each["fee"]["decimal"])
        assert told["To"].replace(" ", "") == asked.destination
    page = pages.intent(at_console("alice"), found)
    assert f"At most one of these can confirm: all of them take {attempts[0].claims[0]}." in page
    assert all(attempt.spend in page for attempt in attempts)
    two = len(statements_of(road.db, lambda: shown(road, asked)))
    road.bump(asked.id, 20)
    road.settle()
    assert len(road.attempts(asked)) == 3
    # What carrying them cost is asked of all attempts at once.
    assert len(statements_of(road.db, lambda: shown(road, asked))) == two
    road.check()


def test_change_that_is_not_derived_again_is_not_called_change(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    road.settle()
    with road.db.unit() as unit:
        filed = queries.get(unit.session, digest=asked.digest)
    attempt = road.attempts(asked)[0]
    with road.db.unit() as unit:
        keyset = trust.in_force(unit.session).root.keyset(filed.intent.vault.keyset)
    assert keyset is not None
    place: dict[str, Any] = {
        "keyset": keyset,
        "chain": attempt.chain,
        "branch": filed.intent.vault.branch,
        "assets": (),
    }
    assert attempt.change_index is not None
    assert [out.own for out in decoded(attempt.unsigned, change_index=attempt.change_index, **place).outputs].count(
        True
    )
    for lie in (place | {"branch": place["branch"] + 1}, place | {"keyset": replace(keyset, threshold=3)}):
        assert not any(out.own for out in decoded(attempt.unsigned, change_index=attempt.change_index, **lie).outputs)
