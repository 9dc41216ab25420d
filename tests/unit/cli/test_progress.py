"""How far long work is, for who reads a pipe."""

from __future__ import annotations

import pytest

from custody.cli.progress import watched


def test_says_each_tenth_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watched(range(200), 200, doing="replaying")) == list(range(200))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"replaying: {tenth * 10} %, {tenth * 20} of 200" for tenth in range(1, 11)]


def test_says_nothing_of_what_is_soon_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(watched(range(99), 99, doing="replaying")) == list(range(99))
    assert capsys.readouterr().err == ""
