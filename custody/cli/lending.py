"""Options that many commands have and none of them is called with: made once, lent to all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import typer


@cache
def options_of(function: Callable[..., None]) -> tuple[Any, ...]:
    """The options of ``function``, whose callbacks keep what they are given: no argument of the command they are lent.

    The same objects for every command: making them takes as long as making a command does.
    """
    lender = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    lender.command()(function)
    options = typer.main.get_command(lender).params
    for option in options:
        option.expose_value = False
    return tuple(options)
