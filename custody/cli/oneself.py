"""``whoami`` and ``config show``: whose commands these are, where they act, and where each setting comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from custody.cli import environment, house
from custody.cli.exits import INVALID, say
from custody.cli.service import ApiOption, Service
from custody.cli.showing import Format, FormatOption, show, show_fields

config = typer.Typer(help="Settings.", no_args_is_help=True)
_SECRET: Final = ("KEY", "TOKEN", "PASSWORD", "SECRET")
_HIDDEN: Final = "********"


def add_to(app: typer.Typer) -> None:
    """Put these commands on the top level."""
    app.add_typer(config, name="config")
    app.command("whoami")(whoami)


@config.callback()
def group() -> None:
    """Settings."""


@config.command("show")
def config_show(chosen: FormatOption = Format.TABLE) -> None:
    """List every setting that is read, its value, and where that comes from; secrets are not shown.

    custody config show
    """
    from config.chains import ConfigError
    from custody import bootstrap

    read, problem = _Recorder(os.environ), ""
    try:
        bootstrap.read_settings(read)
    except ConfigError as error:
        problem = str(error)
    rows = [_setting(name) for name in sorted({*read.asked, *_ours()})]
    show(rows, ("setting", "value", "from"), chosen)
    if problem:
        say(f"error: {problem}")
        raise typer.Exit(INVALID)


def whoami(
    token_file: str = typer.Option("", "--token-file", envvar="CUSTODY_API_TOKEN_FILE", help="Of the API's caller."),
    api: ApiOption = "",
    chosen: FormatOption = Format.TABLE,
) -> None:
    """Say where commands act: networks, trust root, the database's role, the API, and whether the token is known.

    custody whoami
    """
    from custody.db import rights
    from custody.evidence.codes import digest_code
    from custody.trust import operations as trust

    runtime = house.bare()
    parts = urlsplit(runtime.settings.database_url)
    with runtime.database.unit() as unit:
        role = rights.of_role(unit.session).role
        root = trust.in_force(unit.session).root if trust.newest_version(unit.session) else None
    service = Service(api, token_file) if token_file else None
    show_fields(
        {
            "environment": environment.line(runtime.settings.networks, root.name if root else ""),
            "networks": list(runtime.settings.networks),
            "trust_root": None if root is None else root.name,
            "trust_root_version": None if root is None else root.version,
            "trust_root_code": None if root is None else digest_code(root.hash),
            "database": f"{role} at {parts.hostname}:{parts.port or 5432}{parts.path}",
            "api": None if service is None else service.address,
            "token": None if service is None else _is_known(service),
        },
        chosen,
    )


def _is_known(service: Service) -> str:
    from custody.kernel.errors import CustodyError

    try:
        service.get("assets")
    except CustodyError as error:
        return f"not taken: {error.message}"
    return "known"


class _Recorder(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, of: Mapping[str, str]) -> None:
        self._of = of
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._of[name]

    def __contains__(self, name: object) -> bool:
        if not str(name).endswith("_FILE") or name in self._of:
            self.asked.add(str(name))
        return name in self._of

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def _ours() -> set[str]:
    return {name for name in os.environ if name.startswith("CUSTODY_")}


def _setting(name: str) -> dict[str, Any]:
    if name not in os.environ:
        held = f"{name}_FILE" in os.environ
        return {"setting": name, "value": None, "from": f"the file in {name}_FILE" if held else "default, or not set"}
    return {"setting": name, "value": _masked(name, os.environ[name]), "from": environment.origin(name)}


def _masked(name: str, value: str) -> str:
    """The value without what opens anything: whole secrets, and what stands before the host of an address."""
    if name.endswith("_FILE"):
        return value
    if any(word in name for word in _SECRET):
        return _HIDDEN
    if "://" in value and "@" in value:
        scheme, _, rest = value.partition("://")
        return f"{scheme}://{_HIDDEN}@{rest.rpartition('@')[2]}"
    return value
