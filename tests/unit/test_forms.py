"""What a form of the console sends, as it is read: by one reader, whatever it asks for."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from custody.api.console.answers import form_fields
from custody.api.console.wishes import read_form
from custody.kernel.errors import InvalidInput

STOP = {"scope": "client", "subject": " acme ", "purpose": "stolen\r\n laptop "}


def test_what_was_pasted_is_one_line_and_a_document_stays_as_it_was_typed() -> None:
    read = {"scope": "client", "subject": "acme", "purpose": "stolen laptop"}
    assert form_fields(urlencode(STOP).encode(), *STOP) == read == read_form(urlencode(STOP).encode(), "freeze")
    policy = {"document": " name: a\r\n\r\n  rules: []\r\n", "purpose": ""}
    typed = {"document": " name: a\n\n  rules: []\n", "purpose": ""}
    assert read_form(urlencode(policy).encode(), "policy_change") == typed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"scope=client&subject=a",
        b"scope=a&subject=b&purpose=%ff",
        b"scope=a&subject=b&purpose=c&purpose=d",
        b"\xff",
    ],
)
def test_what_is_no_such_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="accepted are exactly, and once each: scope, subject, purpose"):
        form_fields(body, "scope", "subject", "purpose")
