"""What the story leaves to the reader: one payment that waits for a second operator, an invitation, four commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

from custody.kernel.errors import CustodyError
from demo import newcomer
from demo.bitcoind import Bitcoind
from demo.child import ServerFailed
from demo.running import remember
from demo.tale import units

if TYPE_CHECKING:
    from demo.tale import Tale

CLIENT, AMOUNT, MAX_FEE_SAT, FIRST = "Acme", "0.1", 30_000, "alice"
LOOK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60


def leave(tale: Tale) -> None:
    """Ask for the payment, have one operator agree, invite the reader, and say what to do next."""
    node = tale.stage.bitcoind
    payee = node.wallet("faucet").new_address()
    withdrawal = tale.withdraw(
        CLIENT, AMOUNT, tale.stage.bitcoin, "waiting for you", to=payee, max_fee=MAX_FEE_SAT, days=1
    )
    tale.approve_withdrawal(withdrawal, FIRST)
    console = f"{tale.stage.console.origin}/console"
    link = _invitation(tale)
    remember(
        tale.stage.home,
        {
            "withdrawal": withdrawal,
            "client": tale.clients[CLIENT],
            "root": tale.ceremony.signed.root.hash,
            "units": str(units(AMOUNT, tale.stage.bitcoin)),
            "max_fee": str(MAX_FEE_SAT),
            "payee": node.wallet("faucet").new_address(),
            "thief": node.wallet("faucet").new_address(),
            "console": console,
            "link": link,
        },
    )
    _mine_what_comes(node)
    print(
        f"""
One withdrawal waits: {AMOUNT} BTC of {CLIENT}. {FIRST} has agreed; one more operator has to, and that can be you.
The console is at {console}. Blocks are made as transactions come. Next, in this folder:

  {_opener()} {link}      # in a browser on this machine: make your passkey, as the operator "{newcomer.NAME}"
  make welcome     # two operators agree to your passkey; when it counts, sign in and approve the withdrawal
  .venv/bin/custody withdrawal watch {withdrawal}      # ends with "completed"
  make cheat       # a thief rewrites a waiting payment in the database

Everything stays up. Ctrl-C here, or make down, stops it and leaves nothing running.""",
        flush=True,
    )


def _opener() -> str:
    """The word for opening an address on this machine; where it has none the address is there to be copied."""
    return next((word for word in ("open", "xdg-open") if shutil.which(word)), "open")


def _invitation(tale: Tale) -> str:
    """As ``custody console invite`` prints it."""
    done = subprocess.run(
        [sys.executable, "-m", "custody.cli.main", "console", "invite", newcomer.NAME],
        env=tale.stage.process_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    if done.returncode:
        raise ServerFailed(done.stderr.strip(), field="invitation")
    return done.stdout.strip()


def _mine_what_comes(node: Bitcoind) -> None:
    """From now on a block a second for as long as a transaction is not deep enough, as a chain does by itself."""
    threading.Thread(target=_mine, args=(node,), name="miner", daemon=True).start()


def _mine(node: Bitcoind) -> None:
    owed, rest = 0, threading.Event()
    while not rest.wait(LOOK_SECONDS):
        try:
            if node.rpc("getrawmempool"):
                owed = 4
            if owed:
                node.mine(1)
                owed -= 1
        except (CustodyError, OSError):
            # The node is being stopped, and this thread ends with the process.
            return
