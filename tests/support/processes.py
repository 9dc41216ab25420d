"""What runs on this machine, as the kernel tells it: for tests that look at processes from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def processes_in(folder: Path) -> dict[int, str]:
    """Process ids and programs whose working directory is ``folder`` or below it."""
    home = folder.resolve()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve().is_relative_to(home) and _state(entry) != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def processes_given(variable: str, value: Path) -> dict[int, str]:
    """Process ids and programs that were started with ``variable=value`` in their environment."""
    wanted = f"{variable}={value}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def arguments_of(pid: int) -> str:
    """The argument list that anybody on the machine can read."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def listening_addresses(port: int) -> set[str]:
    """The local addresses on which ``port`` accepts TCP connections: 127.0.0.1 and ::1 in plain form, else hex."""
    plain = {"0100007F": "127.0.0.1", "00000000000000000000000001000000": "::1"}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, local_port = local.split(":")
            if state == "0A" and int(local_port, 16) == port:
                found.add(plain.get(address, address))
    return found


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait for ``condition``, looking often; fails the test when ``seconds`` are over."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not so after {seconds:g} s"
        time.sleep(0.02)


def _state(entry: Path) -> str:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0]
