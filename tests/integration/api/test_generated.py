"""Calls generated from the contract: none is answered with a 5xx, and none with what the contract does not know."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from custody.api.app import routes_served
from custody.api.contract.document import openapi
from tests.cosigner.builders import BTC
from tests.integration.api.callers import As
from tests.support.world import House

CALLS = 200
CALLERS = ("exchange", "alice", "auditor", "north", "ticker")
SILENT = {("POST", "/v1/withdrawals/quote"), ("GET", "/v1/rotation"), ("GET", "/readyz")}
"""They ask a node, and no node is here: 503 is the truth."""


def test_generated_calls_are_answered_as_the_contract_says(house: House, call_as: As) -> None:
    house.open_client("acme", branch=1)
    house.credit("acme", BTC)
    house.withdraw(house.withdrawal_request("acme", 6_000_000))
    schema = schemathesis.openapi.from_dict(openapi(routes_served()))
    operations: list[Any] = list(schema.get_all_operations())
    strategies = [found.ok().as_strategy() for found in operations]
    callers = cycle(CALLERS)
    sent: list[tuple[str, str, int]] = []

    @given(case=st.one_of(strategies))
    @settings(
        max_examples=CALLS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def call(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url="http://testserver")
        method, path = asked["method"], case.formatted_path
        options = {name: asked[name] for name in ("params", "json", "data", "headers") if asked.get(name) is not None}
        options["headers"] = {
            name: value for name, value in dict(options.get("headers", {})).items() if name != "Authorization"
        }
        answer = call_as(next(callers)).send(method, path, **options)
        sent.append((method, case.path, answer.status_code))
        assert answer.status_code < 500 or (method, case.path) in SILENT, (method, path, answer.text)

    call()
    assert len({(method, path) for method, path, _ in sent}) > len(strategies) // 2
    house.expect_ledger()
