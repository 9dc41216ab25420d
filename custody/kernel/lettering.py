"""Texts that read as something else: what never gets in, and what is shown with the name of its alphabet. Pure.

A person decides by what they read. A text that a machine reads otherwise than a person sees it is refused wherever
texts come in; letters of another alphabet are somebody's language, and get in as whole words. Those that look like
Latin ones, or run from right to left, are marked wherever they are shown: nobody takes one for the Latin word that it
looks like, and the Latin mark ends the other direction before it takes the next number along.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LATIN: Final = "LATIN"
LIKE_LATIN: Final = frozenset({"CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU", "GEORGIAN", "DESERET"})
"""Alphabets with letters that look like Latin ones, as Unicode names them."""
RIGHT_TO_LEFT: Final = frozenset({"HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO", "SAMARITAN", "MANDAIC", "ADLAM"})
RARE: Final = "RARE LATIN"
MOST_MARKS: Final = 2
"""Marks on one letter: no language here needs more."""
_NO_INK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters, marks and signs without ink; what else is not seen is not printable anyway."""
_VARIANTS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ORDINALS: Final = frozenset("ªº")
_COMMON: Final = re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")
"""Latin letters of languages; the others are phonetic, and made to look like these."""
_WORD: Final = re.compile(r"[\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f]+")
"""Letters, digits and the marks on them."""
_OWN: Final = frozenset({LATIN, *LIKE_LATIN, *RIGHT_TO_LEFT})
"""No two of these stand in one word."""


def trouble(text: str) -> tuple[str, str] | None:
    """What makes ``text`` read as something else, and what is accepted, in words; ``None`` where nothing does."""
    if not text.isprintable():
        return "has unprintable characters", "letters, digits, signs and single blanks between them"
    if text.isascii():
        return None
    if _VARIANTS.search(text) or not _NO_INK.isdisjoint(text):
        return "has characters that are not seen", "letters, digits and signs with ink"
    if not unicodedata.is_normalized("NFC", text):
        return "spells a letter in two ways", "normal form NFC"
    if any(map(_is_disguised, text)):
        return "has letters or digits in disguise", "plain ones, and the digits 0 to 9"
    if any(not sign.isalpha() and unicodedata.bidirectional(sign) in ("R", "AL", "AN") for sign in text):
        return "has signs that turn the direction of writing", "letters of such a writing, and common signs"
    if _has_loose_marks(text):
        return f"has marks on no letter, on a digit, or more than {MOST_MARKS} on one", "letters as they are written"
    if any(_is_mixed(word) for word in _WORD.findall(text)):
        return "mixes alphabets that look alike in one word", "one alphabet a word"
    return None


def told(text: str) -> str:
    """``text`` as people are shown it: a word that could be read as something else is followed by its alphabet.

    What is marked already stays as it is.
    """
    return text if text.isascii() else _WORD.sub(_marked, text)


def _marked(found: re.Match[str]) -> str:
    word = found[0]
    alphabets = sorted(_alphabets(word) & {*_OWN, RARE} - {LATIN})
    mark = f" [{', '.join(alphabets).title()}]" if alphabets else ""
    return word if found.string.startswith(mark, found.end()) else word + mark


def _is_mixed(word: str) -> bool:
    alphabets = _alphabets(word)
    return len(alphabets & _OWN) > 1


def _alphabets(word: str) -> set[str]:
    """Of its letters, by the first word of their names in Unicode; phonetic letters are Latin and rare."""
    found = set()
    for letter in word:
        if letter.isascii() or not letter.isalpha():
            found |= {LATIN} if letter.isalpha() else set()
            continue
        alphabet = unicodedata.name(letter, "").partition(" ")[0]
        found |= {LATIN} | ({RARE} if _COMMON.fullmatch(letter) is None else set()) if alphabet == LATIN else {alphabet}
    return found


def _is_disguised(character: str) -> bool:
    """A letter or digit that stands for an ASCII one, or a digit of another script."""
    if character.isascii() or character in _ORDINALS:
        return False
    kind = unicodedata.category(character)
    if kind == "Nd":
        return True
    plain = unicodedata.normalize("NFKC", character)
    return kind[0] in "LN" and plain.isascii() and plain.isalnum()


def _has_loose_marks(text: str) -> bool:
    marks, before = 0, " "
    for character in text:
        if unicodedata.category(character) not in ("Mn", "Me"):
            marks, before = 0, character
            continue
        marks += 1
        if marks > MOST_MARKS or before.isspace() or before.isdigit() or unicodedata.category(character) == "Me":
            return True
    return False
