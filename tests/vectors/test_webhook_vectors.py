"""Verifying deliveries, held to the vectors of Standard Webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from custody.kernel.errors import InvalidInput
from custody.sdk import webhooks
from tests.support.vectors import rows


@pytest.mark.parametrize("row", rows("standard_webhooks", "verify"))
def test_says_of_each_delivery_whether_it_is_good(row: dict[str, Any]) -> None:
    given = row["input"]
    try:
        webhooks.check(given["headers"], given["payload"].encode(), given["secret"], now=given["now"])
        is_good = True
    except (webhooks.NotTheHouses, InvalidInput):
        is_good = False
    assert is_good == row["expected"]["valid"]
