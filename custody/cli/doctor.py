"""``doctor``: everything this house stands on, one line each with what to do about it. It changes nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import typer

from custody.cli.exits import DONE, REFUSED
from custody.cli.showing import Format, FormatOption, is_for_people, print_sentence, show

if TYPE_CHECKING:
    from custody.bootstrap import Runtime, ServedChain

OK, WARN, FAIL = "ok", "warn", "fail"
OLDEST_POSTGRES: Final = 140_000
SKEW_SECONDS: Final = 2
TOO_MUCH_SKEW_SECONDS: Final = 30
LAG_BLOCKS: Final = 6
FREE_PERCENT: Final = 10
LEAST_FREE_PERCENT: Final = 2
SOON: Final = timedelta(days=30)
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``fix`` is empty where all is well."""

    check: str
    level: str
    found: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """As programs read it."""
        return {"check": self.check, "level": self.level, "found": self.found, "fix": self.fix}


def add_to(app: typer.Typer) -> None:
    """Put the verb on the top level."""
    app.command("doctor")(doctor)


def doctor(chosen: FormatOption = Format.TABLE) -> None:
    """Look at versions, database, schema, clock, broker, nodes, trust root, disk. Exit 1 where something fails.

    custody doctor
    custody doctor --format json
    """
    found = list(_look())
    if is_for_people(chosen):
        for each in found:
            print_sentence(f"{each.level:<4}  {each.check}: {each.found}", indent=6)
            if each.fix:
                print_sentence(f"      fix: {each.fix}", indent=11)
    else:
        show([each.to_json() for each in found], (), chosen)
    raise typer.Exit(REFUSED if any(each.level == FAIL for each in found) else DONE)


def _look() -> Iterator[Finding]:
    """Every check in order; what an earlier failure makes impossible is left out."""
    from config.chains import ConfigError
    from custody.cli import house

    yield _versions()
    yield _disk()
    try:
        runtime = house.bare()
    except ConfigError as error:
        yield Finding("settings", FAIL, str(error), "custody config show says where each value comes from")
        return
    yield Finding("settings", OK, f"readable, for {', '.join(runtime.settings.networks)}")
    yield _listens(runtime)
    yield _broker(runtime)
    yield from _guarded("database", lambda: _database(runtime))
    for served in runtime.chains.values():
        yield from _guarded(f"node of {served.name}", partial(_node, runtime, served))
    runtime.database.dispose()


def _guarded(check: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """What ``look`` finds, or that it could not."""
    from sqlalchemy.exc import SQLAlchemyError

    from custody.kernel.errors import CustodyError

    try:
        return look()
    except CustodyError as error:
        return [Finding(check, FAIL, str(error), _FIXES.get(check, "see that it runs and that the settings name it"))]
    except SQLAlchemyError as error:
        return [Finding(check, FAIL, f"an answer nobody expects ({type(error).__name__})", _FIXES["database"])]


_FIXES: Final = {"database": "see that Postgres runs, then: custody db upgrade"}


def _versions() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("custody")
    except PackageNotFoundError:
        ours = "from its sources"
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("versions", OK, f"custody {ours}, Python {python}")


def _disk() -> Finding:
    usage = shutil.disk_usage(Path.cwd())
    percent = usage.free * 100 // usage.total
    level = FAIL if percent < LEAST_FREE_PERCENT else WARN if percent < FREE_PERCENT else OK
    fix = "" if level == OK else "make room: a database that cannot write stops everything"
    return Finding("disk", level, f"{percent} % of the disk here is free", fix)


def _listens(runtime: Runtime) -> Finding:
    host = runtime.settings.api_host
    if host in LOOPBACK:
        return Finding("api", OK, f"listens on {host} alone, port {runtime.settings.api_port}")
    fix = "let a TLS proxy listen there, and set CUSTODY_API_HOST=127.0.0.1"
    return Finding("api", WARN, f"listens on {host} without TLS of its own", fix)


def _broker(runtime: Runtime) -> Finding:
    from custody.telemetry import broker

    parts = urlsplit(runtime.settings.broker_url)
    where = f"{parts.hostname}:{parts.port or 6379}"
    if broker.answers(runtime.settings.broker_url):
        return Finding("broker", OK, f"answers at {where}")
    fix = "start it, or correct CUSTODY_BROKER_URL; nothing is lost meanwhile, work waits in the database"
    return Finding("broker", FAIL, f"does not answer at {where}", fix)


def _database(runtime: Runtime) -> list[Finding]:
    from custody.db import rights, schema

    with runtime.database.unit() as unit:
        here = datetime.now(UTC) + runtime.settings.clock_offset
        role, stands_at = rights.of_role(unit.session), schema.of_database(unit.session)
        now = unit.now
    old = role.server_number < OLDEST_POSTGRES
    found = [
        Finding("database", FAIL if old else OK, f"Postgres {role.server}", "upgrade to 14 or later" if old else ""),
        _role(role.role, role.too_much),
        _schema(stands_at, schema.newest()),
        _clock(abs((here - now).total_seconds())),
    ]
    return [*found, *_rules(runtime, now)]


def _role(name: str, too_much: tuple[str, ...]) -> Finding:
    if not too_much:
        return Finding("role", OK, f"{name} may read and write what the application does, and no more")
    fix = "connect as the application's role; only custody db upgrade is given the owner's"
    return Finding("role", FAIL, f"{name} {', '.join(too_much)}", fix)


def _schema(stands_at: str, newest: str) -> Finding:
    if stands_at == newest:
        return Finding("schema", OK, f"at migration {stands_at}, the newest")
    return Finding("schema", FAIL, f"at migration {stands_at}; this program is of {newest}", "custody db upgrade")


def _clock(seconds: float) -> Finding:
    level = FAIL if seconds > TOO_MUCH_SKEW_SECONDS else WARN if seconds > SKEW_SECONDS else OK
    fix = "" if level == OK else "let both machines keep time by NTP"
    return Finding("clock", level, f"{seconds:.1f} s apart from the database's", fix)


def _rules(runtime: Runtime, now: datetime) -> list[Finding]:
    from custody.trust import operations as trust

    with runtime.database.unit() as unit:
        if not trust.newest_version(unit.session):
            return [Finding("trust root", FAIL, "none is in force", "custody trust install, after the ceremony")]
        root = trust.in_force(unit.session).root
    return [_expiry(root.version, root.expires_at, now), _origin(root.console)]


def _expiry(version: int, expires_at: datetime, now: datetime) -> Finding:
    level = FAIL if expires_at <= now else WARN if expires_at - now < SOON else OK
    fix = "" if level == OK else "propose a version that lasts longer: custody trust propose"
    return Finding("trust root", level, f"version {version} is good until {expires_at:%Y-%m-%d %H:%M}Z", fix)


def _origin(console: Any) -> Finding:
    if console is None:
        return Finding("passkeys", WARN, "the trust root has no console", "propose one: custody trust propose")
    parts = urlsplit(console.origin)
    if parts.scheme == "https" or parts.hostname in LOOPBACK:
        return Finding("passkeys", OK, f"used at {console.origin} alone")
    return Finding("passkeys", FAIL, f"no browser offers a passkey at {console.origin}", "serve the console by https")


def _node(runtime: Runtime, served: ServedChain) -> list[Finding]:
    from custody.movements.queries import tip

    name = f"node of {served.name}"
    standing = served.node.status()
    if not standing.genesis_ok:
        return [Finding(name, FAIL, "is on another network", "correct the setting that names it")]
    found = [
        Finding(name, OK, f"has block {standing.height}")
        if standing.synced
        else Finding(name, WARN, f"reads blocks: {standing.height} of {standing.headers}", "wait until it is done")
    ]
    with runtime.database.unit() as unit:
        read = tip(unit.session, chain=served.chain)
    behind = standing.height - (read.height if read else 0)
    late = read is None or behind > LAG_BLOCKS
    what = "not read yet" if read is None else f"read to block {read.height}, {max(behind, 0)} behind"
    found.append(Finding(f"reading of {served.name}", WARN if late else OK, what, "start a worker" if late else ""))
    return [*found, *_finality(served), *_contracts(served)]


def _finality(served: ServedChain) -> list[Finding]:
    """Where blocks become final because the network says so, the node must say so too."""
    if served.node.has_coins:
        return []
    height = served.node.finalized_height()
    if height is None:
        fix = "use a node that knows the tag finalized; nothing above it counts as final until then"
        return [Finding(f"finality of {served.name}", WARN, "the node names no final block", fix)]
    return [Finding(f"finality of {served.name}", OK, f"final to block {height}")]


def _contracts(served: ServedChain) -> list[Finding]:
    """What addresses need of the chain: code of the known hash at its place."""
    from custody.kernel.errors import CustodyError

    if served.node.has_coins:
        return []
    check = f"contracts of {served.name}"
    try:
        served.node.check_serves_addresses()
    except CustodyError as error:
        return [Finding(check, FAIL, str(error), "no address is handed out there before this is right")]
    return [Finding(check, OK, "every contract that addresses need has the code we know")]
