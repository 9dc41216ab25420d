"""Tables keep to 80 columns, give up detail before rows, and let nobody's words move a cursor."""

from __future__ import annotations

import csv
import io

import pytest

from custody.cli.exits import say
from custody.cli.showing import Format, show
from custody.cli.tables import sentence, table

ROWS = [
    {
        "id": "wdr_01J9ZK3N5T7V9X1Z3B5D7F9H1K",
        "amount": {"decimal": "0.25000000", "base_units": "25000000"},
        "to": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "why": "waits for two operators, and for the end of a delay of an hour",
        "more": "another column with words of its own",
    },
    {
        "id": "wdr_01J9ZK3N5T7V9X1Z3B5D7F9H2K",
        "amount": {"decimal": "12.00000000", "base_units": "1200000000"},
        "to": "bcrt1qjwr6jt6pxeftms9uxht66w3aq33myw3qad6sz8",
        "why": None,
        "more": "",
    },
]
COLUMNS = ("id", "amount=amount.decimal", "to", "why", "more")


def test_a_table_of_eighty_columns_keeps_ids_and_numbers_whole() -> None:
    lines = table(ROWS, COLUMNS, width=80).splitlines()
    assert [line.rstrip() for line in lines] == lines
    assert max(map(len, lines)) <= 80
    assert lines == [
        "ID                                   AMOUNT  TO                 WHY",
        "wdr_01J9ZK3N5T7V9X1Z3B5D7F9H1K   0.25000000  bcrt1qw5…7kygt080  waits for two…",
        "wdr_01J9ZK3N5T7V9X1Z3B5D7F9H2K  12.00000000  bcrt1qjw…3qad6sz8  -",
    ]


def test_a_table_of_sums_that_is_too_wide_loses_none() -> None:
    rows = [
        {"name": name, "asset": "ETH", "available": ether, "held": "0.000000000000000000", "on_chain": ether}
        for name, ether in (("Ember", "2.000000000000000000"), ("Fjord", "11.100000000000000000"))
    ]
    columns = ("name", "asset", "available", "held", "on_chain")
    stacked = table(rows, columns, width=60, is_whole=True)
    assert stacked.splitlines()[:6] == [
        "NAME       Ember",
        "ASSET      ETH",
        "AVAILABLE   2.000000000000000000",
        "HELD        0.000000000000000000",
        "ON_CHAIN    2.000000000000000000",
        "",
    ]
    assert table(rows, columns, width=80, is_whole=True).splitlines()[0].split()[-1] == "ON_CHAIN"
    assert table([], columns, width=10, is_whole=True).split()[0] == "NAME"


def test_a_sentence_is_wrapped_and_what_is_typed_again_stays_whole() -> None:
    address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" * 2
    said = sentence(f"  pays to {address} and to nobody else, whatever the page before this one showed", indent=4)
    assert address in said
    assert said.splitlines()[0] == "  pays to"
    assert all(line.startswith("    ") for line in said.splitlines()[1:])
    assert sentence("x " * 60, width=None) == "x " * 60


def test_wide_keeps_everything() -> None:
    wide = table(ROWS, COLUMNS)
    assert ROWS[0]["to"] in wide
    assert "another column with words of its own" in wide


def test_shows_nothing_a_terminal_obeys() -> None:
    shown = table([{"label": "cold\x1b[2Jwallet\n\r\u202e"}], ("label",))
    assert shown == "LABEL\ncold?[2Jwallet???"


def test_says_nothing_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    say("permit\u202e \x1b[1A all")
    assert capsys.readouterr().err == "permit? ?[1A all\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("@cmd", "'@cmd"),
        ("-1+2", "'-1+2"),
        ("-0.5", "-0.5"),
        ("plain, with a comma", "plain, with a comma"),
        (None, ""),
        (["a", "b"], '["a", "b"]'),
        (True, "true"),
    ],
)
def test_csv_runs_nothing_in_a_spreadsheet(capsys: pytest.CaptureFixture[str], value: object, written: str) -> None:
    show([{"label": value, "amount": {"decimal": "1"}}], (), Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["label", "amount.decimal"], [written, "1"]]


def test_json_lines_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"a": "x\ny"}, {"a": 2}], ("a",), Format.JSONL)
    assert capsys.readouterr().out == '{"a": "x\\ny"}\n{"a": 2}\n'
