"""Texts that read as something else: what never gets in, and what is shown with the name of its alphabet. Pure.

A person decides by what they read. A text that a machine reads otherwise than a person sees it is refused wherever
texts come in; letters of another alphabet are somebody's language, and get in as whole words. They are marked wherever
they are shown, but for those that nobody takes for Latin: so nobody takes a word for the Latin one that it looks like,
and the Latin mark ends the other direction before it takes the next number along. What is not named here is marked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Final

LATIN: Final = "LATIN"
BESIDE_LATIN: Final = frozenset(
    {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"}
)
"""Writings that stand in one word with another, as Unicode names them: "3Dプリンタ"."""
UNLIKE_LATIN: Final = BESIDE_LATIN | {"THAI", "LAO", "KHMER", "DEVANAGARI", "BENGALI", "TAMIL"}
"""Writings that nobody takes for Latin."""
_OF_NONE: Final = frozenset({"MODIFIER", "FEMININE", "MASCULINE", "MICRO"})
"""Letters of no alphabet: an okina, the ordinals, the sign of a millionth."""
RARE: Final = "RARE LATIN"
MOST_MARKS: Final = 2
"""Marks on one letter: no language here needs more."""
_NO_INK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters, marks and signs without ink; what else is not seen is not printable anyway."""
_VARIANTS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ORDINALS: Final = frozenset("ªº")
_COMMON: Final = re.compile("[A-Za-z\u00aa-\u0137\u0139-\u017f\u1e9e]")
"""Latin letters of languages, beside those that are one of them with a mark; the others are phonetic, or of a few
people, and look like these.
"""
_FOREIGN: Final = re.compile(r"[^\x00-\x7f\W\d_]")
"""A letter that is not ASCII: most texts with another sign have none."""


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
    if any(_is_mixed(text[start:end]) for start, end in _words(text)):
        return "mixes alphabets that look alike in one word", "one alphabet a word"
    return None


def told(text: str) -> str:
    """``text`` as people are shown it: a word that could be read as something else is followed by its alphabet.

    What is marked already stays as it is.
    """
    if text.isascii() or _FOREIGN.search(text) is None:
        return text
    said, behind = [], 0
    for start, end in _words(text):
        mark = _mark(text[start:end])
        if mark and not text.startswith(mark, end):
            said += [text[behind:end], mark]
            behind = end
    return "".join([*said, text[behind:]])


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Where letters, digits and the marks on them begin and end."""
    end = 0
    for is_word, piece in groupby(text, _is_of_a_word):
        start, end = end, end + len(list(piece))
        if is_word:
            yield start, end


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _mark(word: str) -> str:
    alphabets = sorted(_alphabets(word) - UNLIKE_LATIN - {LATIN})
    return f" [{', '.join(alphabets).title()}]" if alphabets else ""


def _is_mixed(word: str) -> bool:
    return len(_alphabets(word) - BESIDE_LATIN - {RARE}) > 1


def _alphabets(word: str) -> set[str]:
    """Of its letters, by the first word of their names in Unicode; Latin ones that are not common are rare besides."""
    found = set()
    for letter in filter(str.isalpha, word):
        alphabet = LATIN if letter.isascii() else unicodedata.name(letter, "").partition(" ")[0]
        found.add(alphabet)
        if alphabet == LATIN and not _is_common(letter):
            found.add(RARE)
    return found - _OF_NONE


def _is_common(letter: str) -> bool:
    return _COMMON.fullmatch(letter) is not None or bool(unicodedata.decomposition(letter))


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
