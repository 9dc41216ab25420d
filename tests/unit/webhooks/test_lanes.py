"""Who is sent to next: endpoints in turn, none by all the threads, and the late ones by no more than half of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from custody.webhooks.lanes import PROMPT_SECONDS, Chain, Lanes
from custody.webhooks.model import Outcome, Parcel


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def chain(endpoint: str, number: int = 0, *, is_failing: bool = False) -> Chain:
    order = (endpoint, "thing", str(number))
    return Chain([Parcel(number, endpoint, "", 1, order, {}, b"", is_failing)], 0.0)


def came(each: Chain, *, status: int | None = 204, is_unsent: bool = False) -> Outcome:
    parcel = each.parcels[0]
    return Outcome(parcel.delivery, parcel.endpoint, 1, status, 0, None if status else "nothing", is_unsent=is_unsent)


def lanes(threads: int, *chains: Chain, prompt: str = "", clock: Clock | None = None) -> Lanes:
    """Closed, so that nothing waits for more. Endpoints named in ``prompt`` answered in time before."""
    found = Lanes(threads, clock=clock or Clock())
    for endpoint in prompt.split():
        answer(found, endpoint)
    for each in chains:
        found.put(each)
    found.close()
    return found


def answer(found: Lanes, endpoint: str, *, after: float = 0.0, clock: Clock | None = None) -> None:
    found.put(chain(endpoint))
    each = take(found)
    assert each is not None and each.endpoint == endpoint
    if clock is not None:
        clock.now += after
    found.came(each, came(each))
    found.done(each)


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


def follows(found: Lanes, endpoint: str) -> bool:
    """Whether nothing that waits may go now, but one of this other endpoint may."""
    found.put(chain(endpoint))
    return taken(found, 1) == [endpoint]


def test_endpoints_take_turns_and_each_keeps_its_own_order() -> None:
    found = lanes(16, chain("a", 1), chain("a", 2), chain("a", 3), chain("b", 4))
    each = [each for each in (take(found) for _ in range(4)) if each is not None]
    assert [(each.endpoint, each.parcels[0].delivery) for each in each] == [("a", 1), ("b", 4), ("a", 2), ("a", 3)]
    assert take(found) is None


def test_no_endpoint_has_all_the_threads() -> None:
    found = lanes(4, *(chain("many", number) for number in range(9)), prompt="many")
    first = take(found)
    assert first is not None and taken(found, 2) == ["many"] * 2
    fourth: list[Chain | None] = []
    waiting = threading.Thread(target=lambda: fourth.append(found.take()), daemon=True)
    waiting.start()
    found.put(chain("alive"))
    waiting.join(10)
    assert [each.endpoint for each in fourth if each] == ["alive"]
    found.done(first)
    found.put(chain("alive"))
    assert follows(found, "other"), "the last quarter is for those that have none"


def test_two_endpoints_have_not_all_the_threads_either() -> None:
    found = lanes(8, *(chain(name, number) for name in "ab" for number in range(9)), prompt="a b")
    assert sorted(taken(found, 6)) == ["a"] * 3 + ["b"] * 3
    assert follows(found, "c") and follows(found, "d")


def test_who_is_not_known_has_a_quarter_until_an_answer_comes() -> None:
    found = lanes(8, *(chain("new", number) for number in range(9)))
    first = take(found)
    assert first is not None and taken(found, 1) == ["new"] and follows(found, "other")
    found.came(first, came(first))
    assert found.prompt() == {"new"}
    assert taken(found, 3) == ["new"] * 3


def test_those_that_are_not_known_leave_a_quarter_to_who_answers() -> None:
    found = lanes(8, *(chain(f"new {number}") for number in range(9)), prompt="well")
    assert taken(found, 6) == [f"new {number}" for number in range(6)]
    assert follows(found, "well")


def test_those_that_fail_have_half_of_the_threads_together() -> None:
    failing = [chain(f"dead {number}", is_failing=True) for number in range(4)]
    found = lanes(4, *failing, chain("alive", 1), chain("alive", 2), prompt="alive")
    first = take(found)
    assert taken(found, 2) == ["dead 1", "alive"] and follows(found, "other")
    assert first is not None
    found.done(first)
    assert taken(found, 1) == ["dead 2"]


def test_who_does_not_answer_is_late_while_it_is_awaited_and_until_it_answers_in_time() -> None:
    clock = Clock()
    found = lanes(16, *(chain("hangs", number) for number in range(30)), prompt="hangs well", clock=clock)
    out = [each for each in (take(found) for _ in range(6)) if each is not None]
    clock.now += PROMPT_SECONDS + 0.1
    assert found.prompt() == {"well"}
    assert follows(found, "well"), "it has more than its quarter already"
    for each in out:
        found.came(each, came(each))
    assert found.prompt() == {"well"}, "its answers came late"
    answer(found, "well", after=PROMPT_SECONDS, clock=clock)
    assert found.prompt() == {"well"}, "an answer within the time is in time"


def test_where_no_answer_comes_what_waits_for_that_endpoint_is_handed_back() -> None:
    found = lanes(16, *(chain("hangs", number) for number in range(9)), chain("well", 9), prompt="hangs")
    first, _, second = (take(found) for _ in range(3))
    assert first is not None and second is not None
    assert found.came(second, came(second, is_unsent=True, status=None)) == []
    assert found.came(second, came(second, status=500)) == []
    back = found.came(first, came(first, status=None))
    assert [parcel.delivery for parcel in back] == [2, 3, 4, 5, 6, 7, 8]
    for each in (first, second):
        found.done(each)
    assert found.prompt() == set() and take(found) is None


def test_what_fails_already_is_not_handed_back_again_and_again() -> None:
    found = lanes(16, chain("dead", 1, is_failing=True), chain("dead", 2, is_failing=True))
    first = take(found)
    assert first is not None and found.came(first, came(first, status=None)) == []
    assert taken(found, 1) == ["dead"]


def test_one_thread_sends_to_everybody() -> None:
    found = lanes(1, chain("dead", is_failing=True), chain("alive"))
    for endpoint in ("dead", "alive"):
        each = take(found)
        assert each is not None and each.endpoint == endpoint
        found.done(each)
    assert take(found) is None
