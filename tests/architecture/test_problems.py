"""The table of codes: every error class has its line, and the line says what the class says."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import custody
import policies
from custody.kernel.errors import Broken, Conflict, CustodyError, InvalidInput, NotFound, Refused, Unavailable
from custody.kernel.problems import PROBLEMS

FAMILIES = {
    "invalid": InvalidInput,
    "unknown": NotFound,
    "refused": Refused,
    "conflict": Conflict,
    "unavailable": Unavailable,
    "broken": Broken,
}
OF_NO_CLASS = {"no-such-route", "method-not-allowed", "http-error", "internal"}
"""What the server itself answers."""
ELSEWHERE = ("custody.cosigner", "custody.statuskeeper", "custody.sdk", "custody.cli.", "policies.analysis")
"""Programs of their own, which answer no call of this API."""


def classes() -> Iterator[type[CustodyError]]:
    for package in (custody, policies):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith((*ELSEWHERE, "custody.db.migrations")) and "__main__" not in found.name:
                importlib.import_module(found.name)
    waiting = [CustodyError]
    while waiting:
        here = waiting.pop()
        waiting += here.__subclasses__()
        ours = here.__module__.startswith(("custody.", "policies.")) and not here.__module__.startswith(ELSEWHERE)
        if here is not CustodyError and ours:
            yield here


def test_every_error_class_has_its_line() -> None:
    found = list(classes())
    assert {each.code for each in found} | OF_NO_CLASS == set(PROBLEMS), (
        "custody/kernel/problems.py has a line per code"
    )
    for each in found:
        line = PROBLEMS[each.code]
        assert issubclass(each, FAMILIES[line.family]), each
        assert line.retryable == each.retryable, each


def test_every_line_is_a_whole_sentence_for_people() -> None:
    for line in PROBLEMS.values():
        for words in (line.meaning, line.money):
            assert words[0].isupper() and words.endswith("."), line
            assert "``" not in words and "facts" not in words, line
        assert 400 <= line.status < 600
