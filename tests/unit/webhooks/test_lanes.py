"""Who is sent to next: endpoints in turn, none by all the threads, failing ones by half of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from custody.webhooks.lanes import Chain, Lanes
from custody.webhooks.model import Parcel


def chain(endpoint: str, number: int = 0, *, is_failing: bool = False) -> Chain:
    order = (endpoint, "thing", str(number))
    return Chain([Parcel(number, endpoint, "", 1, order, {}, b"", is_failing)], 0.0)


def lanes(threads: int, *chains: Chain) -> Lanes:
    """Closed, so that nothing waits for more."""
    found = Lanes(threads)
    for each in chains:
        found.put(each)
    found.close()
    return found


def take(found: Lanes) -> Chain | None:
    """The next one, of which there is one: nobody waits for ever here."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(found.take)
        try:
            return asked.result(5)
        except TimeoutError:
            found.put(chain("too late"))
            raise


def taken(found: Lanes, number: int) -> list[str]:
    return [each.endpoint for each in (take(found) for _ in range(number)) if each is not None]


def test_endpoints_take_turns_and_each_keeps_its_own_order() -> None:
    found = lanes(16, chain("a", 1), chain("a", 2), chain("a", 3), chain("b", 4))
    came = [each for each in (take(found) for _ in range(4)) if each is not None]
    assert [(each.endpoint, each.parcels[0].delivery) for each in came] == [("a", 1), ("b", 4), ("a", 2), ("a", 3)]
    assert take(found) is None


def test_no_endpoint_has_all_the_threads() -> None:
    found = lanes(4, *(chain("silent", number) for number in range(9)))
    first = take(found)
    assert first is not None and taken(found, 2) == ["silent"] * 2
    fourth: list[Chain | None] = []
    waiting = threading.Thread(target=lambda: fourth.append(found.take()), daemon=True)
    waiting.start()
    found.put(chain("alive"))
    waiting.join(10)
    assert [each.endpoint for each in fourth if each] == ["alive"]
    found.done(first)
    assert taken(found, 1) == ["silent"]


def test_those_that_fail_have_half_of_the_threads_together() -> None:
    failing = [chain(f"dead {number}", is_failing=True) for number in range(4)]
    found = lanes(4, *failing, chain("alive", 1), chain("alive", 2))
    came = [take(found) for _ in range(4)]
    assert [each.endpoint for each in came if each] == ["dead 0", "dead 1", "alive", "alive"]
    assert came[0] is not None
    found.done(came[0])
    assert taken(found, 1) == ["dead 2"]


def test_one_thread_sends_to_everybody() -> None:
    found = lanes(1, chain("dead", is_failing=True), chain("alive"))
    for endpoint in ("dead", "alive"):
        each = take(found)
        assert each is not None and each.endpoint == endpoint
        found.done(each)
    assert take(found) is None
