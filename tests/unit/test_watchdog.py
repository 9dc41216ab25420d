"""A worker is deaf when messages wait all the time and it takes none; not when it is idle, busy or fed."""

from __future__ import annotations

from workers.watchdog import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watch() -> tuple[Watch, Clock]:
    clock = Clock()
    return Watch(patience_seconds=10, clock=clock), clock


def test_is_deaf_when_messages_wait_and_none_is_taken() -> None:
    found, clock = watch()
    assert not found.is_deaf(1)
    clock.now = 10
    assert not found.is_deaf(2)
    clock.now = 10.5
    assert found.is_deaf(3)


def test_is_not_deaf_while_the_queue_is_empty_in_between() -> None:
    found, clock = watch()
    found.is_deaf(1)
    clock.now = 9
    found.is_deaf(0)
    clock.now = 18
    assert not found.is_deaf(1)


def test_is_not_deaf_while_it_takes_messages() -> None:
    found, clock = watch()
    for moment in range(0, 100, 5):
        clock.now = moment
        assert not found.is_deaf(5)
        found.heard()
