"""``console invite``: a link by which one browser may make one passkey for one person."""

from __future__ import annotations

from typing import Annotated

import typer

from custody.cli import house

app = typer.Typer(help="The operators' console.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The operators' console."""


@app.command("invite")
def invite(
    person: Annotated[str, typer.Argument(metavar="NAME", help="Whose passkey it will be; an operator, or one to be.")],
) -> None:
    """Print a link that works once, within a day. The passkey made with it counts for nothing yet: the page says how.

    custody console invite bob
    """
    from custody.evidence import fields
    from custody.operators import entering
    from custody.trust.operations import in_force

    name = fields.name(person, field="NAME")
    runtime = house.bare()
    with runtime.database.unit() as unit:
        console = in_force(unit.session).root.console
        if console is None:
            raise entering.NoConsole("the trust root names no console", field="trust_root.console")
        secret = entering.invite(unit.session, operator=name, actor="cli", now=unit.now)
    print(f"{console.origin}/console/invitation#{secret}")
