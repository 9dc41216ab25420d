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
_SECRET: Final = ("KEY", "TOKEN", "PASS", "SECRET", "MNEMONIC", "SEED")
_NOT_SET: Final = ""
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

    From first to last: the file that --env names, the environment, ./.custody/env or CUSTODY_ENV_FILE, the default.

    custody config show
    """
    from config.chains import ConfigError
    from custody import bootstrap

    read, problem = _Recorder(os.environ), ""
    try:
        bootstrap.read_settings(read)
    except ConfigError as error:
        problem = str(error)
    rows = [_setting(name, read.defaults.get(name, _NOT_SET)) for name in sorted({*read.asked, *_ours()})]
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
    """An environment that remembers what it was asked for, and what is taken where it has nothing."""

    def __init__(self, of: Mapping[str, str]) -> None:
        self._of = of
        self.asked: set[str] = set()
        self.defaults: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._of[name]

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        self.defaults[name] = default
        return self._of.get(name, default)

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


def _setting(name: str, default: str) -> dict[str, Any]:
    if name in os.environ:
        return {"setting": name, "value": _masked(name, os.environ[name]), "from": environment.origin(name)}
    if f"{name}_FILE" in os.environ:
        return {"setting": name, "value": None, "from": f"the file in {name}_FILE"}
    if default == _NOT_SET:
        return {"setting": name, "value": None, "from": "not set"}
    return {"setting": name, "value": _masked(name, default), "from": "default"}


def _masked(name: str, value: str) -> str:
    """The value without what opens anything: whole secrets, and all of an address but where it leads."""
    if name.endswith("_FILE"):
        return value
    if any(word in name for word in _SECRET):
        return _HIDDEN
    if "URL" in name or "://" in value:
        return _address(value)
    return value


def _address(value: str) -> str:
    """Scheme, host and port. Who calls stands before them, and what a provider knows him by may stand behind."""
    scheme, sign, rest = value.partition("://")
    authority, slash, path = rest.partition("/")
    before, at, host = authority.rpartition("@")
    if not sign or "@" in path or any(mark in authority for mark in "?#"):
        return _HIDDEN  # not spelled as addresses are: any part may be the password's
    is_database = scheme.startswith("postgresql") and "?" not in path
    return f"{scheme}://{_HIDDEN + at if before else ''}{host}{slash}{path if is_database or not path else _HIDDEN}"
