"""What never gets in as text, and what is marked where it is shown."""

from __future__ import annotations

import pytest

from custody.kernel.lettering import told, trouble
from tests.support.lettering import REFUSED, SHOWN


@pytest.mark.parametrize("what", REFUSED)
def test_what_reads_as_something_else_is_refused(what: str) -> None:
    assert trouble(REFUSED[what]) is not None


def test_each_is_refused_for_its_own_reason() -> None:
    reasons = {what: (trouble(text) or ("",))[0] for what, text in REFUSED.items()}
    for what, reason in (
        ("bidi override", "has unprintable characters"),
        ("variation selector", "has characters that are not seen"),
        ("decomposed", "spells a letter in two ways"),
        ("fullwidth", "has letters or digits in disguise"),
        ("digits of another script", "has letters or digits in disguise"),
        ("sign of right to left", "has signs that turn the direction of writing"),
        ("stacked marks", "has marks on no letter, on a digit, or more than 2 on one"),
        ("struck digit", "has marks on no letter, on a digit, or more than 2 on one"),
        ("one Cyrillic letter", "mixes alphabets that look alike in one word"),
        ("a mark between alphabets", "mixes alphabets that look alike in one word"),
        ("letters of syllables", "mixes alphabets that look alike in one word"),
        ("one of a writing that is not named", "mixes alphabets that look alike in one word"),
    ):
        assert reasons[what] == reason, what


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_somebodys_language_gets_in_and_is_marked_where_it_could_mislead(text: str) -> None:
    assert trouble(text) is None
    assert told(text) == SHOWN[text]
    assert told(told(text)) == told(text)
