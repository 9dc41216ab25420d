"""Run a program tied to its parent: when the parent dies, however it dies, the program gets a signal.

Used as ``python -I -S tether.py SIGNAL PARENT UID:GID|- PROGRAM ARG…``. It becomes the program by exec, so the
process id the parent sees is the program's own. Standard library only: it may run before anything is installed.

A launcher and not a ``preexec_fn``, because running Python between fork and exec can deadlock a threaded parent;
the account is dropped here because the kernel forgets the tie when credentials change after it.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop to the account, tie to the parent, become the program."""
    death_signal, parent, account, *program = arguments
    if account != "-":
        _become(account)
    if sys.platform == "linux":
        _tie(int(death_signal), int(parent))
    os.execv(program[0], program)


def _become(account: str) -> None:
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _tie(death_signal: int, parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have died before the tie was made; then no signal will ever come.
    if os.getppid() != parent:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
