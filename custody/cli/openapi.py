"""``custody openapi``: what the API takes and answers, for programs that make clients, documents and tests of it."""

from __future__ import annotations

from importlib.resources import files

import typer


def print_openapi() -> None:
    """Print the API's OpenAPI 3.1 document as JSON. Asks nobody: it comes with the program.

    custody openapi
    """
    typer.echo(files("custody.cli").joinpath("openapi.json").read_text(encoding="utf-8"), nl=False)
