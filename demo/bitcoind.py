"""A real Bitcoin node of our own, on regtest unless told otherwise, with what tests and the story do to a chain.

It keeps no transaction index: nothing of ours may depend on one. Amounts are satoshi (``_sat``).
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from custody.kernel.errors import Unavailable
from demo.child import Child, free_port, write_secret
from demo.find import bitcoind_program
from demo.server import Server

FAUCET = "faucet"
USER = "custody"
MATURITY = 100
_IN_WARMUP = -28


class NodeRefused(Unavailable):
    """A node answered with an error; ``number`` is its RPC error code, ``data`` what it sent with it."""

    code = "node-refused"
    retryable = False

    def __init__(self, message: str, *, number: int, field: str = "bitcoind", data: str | None = None) -> None:
        super().__init__(message, field=field)
        self.number, self.data = number, data


class Bitcoind(Server):
    """One node under ``home/NAME``. ``listen`` opens a loopback port for peers; ``options`` are further settings."""

    stop_patience = 60
    again_on = ("Cannot obtain a lock",)

    def __init__(
        self,
        home: Path,
        *,
        name: str = "bitcoind",
        network: str = "regtest",
        listen: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self.name, self.network = home, name, network
        self.port, self.zmq_port = free_port(), free_port()
        self.peer_port = free_port() if listen else None
        self._options = dict(options or {})
        self._password = secrets.token_hex(24)

    @classmethod
    def at(cls, url: str) -> Bitcoind:
        """A node that somebody else started, for calls alone."""
        found, parts = cls(Path()), urlsplit(url)
        found.port, found._password = parts.port or 0, parts.password or ""
        return found

    def kill(self, *, keep_chain: bool = True) -> None:
        """SIGKILL, as a power cut would. Without ``keep_chain`` it forgets the blocks it had not written yet.

        A node writes its chain state about once an hour, so on regtest that is every block there is.
        """
        if keep_chain and self.is_ready():
            self.rpc("gettxoutsetinfo", "none")
        super().kill()

    def is_ready(self) -> bool:
        """Whether it answers RPC and is past its warm-up."""
        try:
            self.rpc("getblockcount")
        except (OSError, http.client.HTTPException):
            return False
        except NodeRefused as error:
            if error.number == _IN_WARMUP:
                return False
            raise
        return True

    @property
    def url(self) -> str:
        """``http://USER:PASSWORD@127.0.0.1:PORT``; the password is hexadecimal and needs no escaping."""
        return f"http://{USER}:{self._password}@127.0.0.1:{self.port}"

    @property
    def zmq_url(self) -> str:
        """Where ``hashblock``, ``rawtx`` and ``sequence`` are published."""
        return f"tcp://127.0.0.1:{self.zmq_port}"

    def rpc(self, method: str, *params: Any, wallet: str | None = None, **named: Any) -> Any:
        """Call the node; by position or by name. Fractions come back as ``Decimal``; pass amounts as text.

        Raises ``NodeRefused`` with the node's own error, ``OSError`` when nobody answers.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps({"id": 1, "method": method, "params": named or list(params)})
            path = f"/wallet/{wallet}" if wallet else "/"
            connection.request("POST", path, body, {"Authorization": self._authorization()})
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def wallet(self, name: str) -> NodeWallet:
        """The node's own wallet ``name``, made or opened if need be."""
        if name not in self.rpc("listwallets"):
            known = {entry["name"] for entry in self.rpc("listwalletdir")["wallets"]}
            method, key = ("loadwallet", "filename") if name in known else ("createwallet", "wallet_name")
            named: dict[str, Any] = {key: name, "load_on_startup": True}
            self.rpc(method, **named)
        return NodeWallet(self, name)

    def fund(self, *, coins: int = 20) -> NodeWallet:
        """Give the faucet matured money in ``coins`` separate confirmed coins; once per node."""
        faucet = self.wallet(FAUCET)
        if faucet.balance_sat() > 0:
            return faucet
        self.mine(MATURITY + 1)
        share = btc(faucet.balance_sat() // (coins + 1))
        faucet.rpc("sendmany", "", {faucet.new_address(): share for _ in range(coins)})
        self.mine(1)
        return faucet

    def mine(self, blocks: int = 1, *, address: str | None = None) -> list[str]:
        """Mine blocks to ``address`` (else a fresh one of the faucet) and return their hashes."""
        found: list[str] = self.rpc("generatetoaddress", blocks, address or self.wallet(FAUCET).new_address())
        return found

    def mine_only(self, transactions: Sequence[str] = (), *, address: str | None = None) -> str:
        """Mine one block with exactly these transactions (ids or hex) and return its hash."""
        # A fresh address each time: the same coinbase in the same second would be the same block again.
        block = self.rpc("generateblock", address or self.wallet(FAUCET).new_address(), list(transactions))
        found: str = block["hash"]
        return found

    def send(
        self, address: str, amount_sat: int, *, fee_rate_sat_vb: int | None = None, replaceable: bool = True
    ) -> str:
        """Pay from the faucet and return the transaction's id; nothing is mined."""
        return self.fund().send(address, amount_sat, fee_rate_sat_vb=fee_rate_sat_vb, replaceable=replaceable)

    def reorg(self, depth: int, *, rivals: int | None = None, transactions: Sequence[str] = ()) -> list[str]:
        """Undo the last ``depth`` blocks and mine ``rivals`` (else depth + 1) others; returns the new hashes.

        The first rival holds ``transactions`` and nothing else, the others nothing. What stood in the undone
        blocks goes back to the mempool where it still can.
        """
        height = self.rpc("getblockcount")
        self.rpc("invalidateblock", self.rpc("getblockhash", height - depth + 1))
        count = depth + 1 if rivals is None else rivals
        return [self.mine_only(transactions if number == 0 else ()) for number in range(count)]

    def _new_child(self) -> Child:
        """Find (or fetch) the program and write its configuration; the password stands only there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        program = bitcoind_program()
        configuration = self.folder / "bitcoin.conf"
        write_secret(configuration, self._configuration(_is_knots(program)))
        argv: list[str | Path] = [program, f"-datadir={self.folder}", f"-conf={configuration}"]
        return Child(self.name, argv, log=self.log, cwd=self.folder)

    def _authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{USER}:{self._password}".encode()).decode()

    def _configuration(self, knots: bool) -> str:
        settings = {
            "server": "1",
            "rpcbind": "127.0.0.1",
            "rpcallowip": "127.0.0.1",
            "rpcport": str(self.port),
            "rpcuser": USER,
            "rpcpassword": self._password,
            "rpcthreads": "8",
            "rpcworkqueue": "128",
            **self._peer_settings(),
            "txindex": "0",
            "dbcache": "16",
            "par": "1",
            "fallbackfee": "0.0001",
            "printtoconsole": "1",
            "nodebuglogfile": "1",
            "zmqpubhashblock": self.zmq_url,
            "zmqpubrawtx": self.zmq_url,
            "zmqpubsequence": self.zmq_url,
            **({"corepolicy": "1"} if knots else {}),
            **self._options,
        }
        section = f"chain={self.network}\n[{self.network}]\n"
        return section + "".join(f"{name}={value}\n" for name, value in settings.items())

    def _peer_settings(self) -> dict[str, str]:
        quiet = {"connect": "0", "dnsseed": "0", "natpmp": "0", "listenonion": "0"}
        if self.peer_port is None:
            return {**quiet, "listen": "0"}
        return {**quiet, "listen": "1", "bind": f"127.0.0.1:{self.peer_port}"}


class NodeWallet:
    """A wallet inside the node: the outside world's money in tests and in the story."""

    def __init__(self, node: Bitcoind, name: str) -> None:
        self.node, self.name = node, name

    def rpc(self, method: str, *params: Any, **named: Any) -> Any:
        """Call the node for this wallet. Raises what ``Bitcoind.rpc`` raises."""
        return self.node.rpc(method, *params, wallet=self.name, **named)

    def new_address(self, kind: str = "bech32") -> str:
        """A fresh address of this wallet."""
        address: str = self.rpc("getnewaddress", "", kind)
        return address

    def balance_sat(self) -> int:
        """What it can spend now: confirmed and matured, in satoshi."""
        return sat(self.rpc("getbalances")["mine"]["trusted"])

    def send(
        self, address: str, amount_sat: int, *, fee_rate_sat_vb: int | None = None, replaceable: bool = True
    ) -> str:
        """Pay and return the transaction's id."""
        named: dict[str, Any] = {"address": address, "amount": btc(amount_sat), "replaceable": replaceable}
        if fee_rate_sat_vb is not None:
            named["fee_rate"] = fee_rate_sat_vb
        txid: str = self.rpc("sendtoaddress", **named)
        return txid


def btc(amount_sat: int) -> str:
    """Satoshi as the decimal text the node's RPC takes."""
    return f"{amount_sat // 100_000_000}.{amount_sat % 100_000_000:08d}"


def sat(amount_btc: Decimal | int) -> int:
    """What the node's RPC gave, in satoshi, exactly."""
    return int(Decimal(amount_btc) * 100_000_000)


def _answer(response: http.client.HTTPResponse) -> Any:
    text = response.read().decode()
    if not text:
        raise NodeRefused(f"HTTP {response.status}", number=-response.status)
    answer = json.loads(text, parse_float=Decimal)
    if answer.get("error"):
        raise NodeRefused(answer["error"]["message"], number=answer["error"]["code"])
    return answer["result"]


def _is_knots(program: Path) -> bool:
    version = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return "Knots" in version.stdout
