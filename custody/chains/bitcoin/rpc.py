"""One call to a Bitcoin node over JSON-RPC, with python-bitcoinlib's ``Proxy`` kept behind this wall.

A ``Proxy`` holds one connection that no two threads may share and that stays broken after the first time-out, so
each call makes its own. Amounts arrive as ``Decimal`` and leave here as satoshi; no amount is ever sent as a number.
Credentials stand in no message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from bitcoin.rpc import JSONRPCError, Proxy

from custody.chains.port import NodeRefused, NodeUnavailable

Json = str | int | bool | None | Sequence[Any] | Mapping[str, Any]
"""What may be a parameter: no float and no Decimal."""

SAT_PER_BTC: Final = 10**8
MAX_BTC: Final = 21_000_000

IN_WARMUP: Final = -28
NO_ANSWER: Final = range(-345, -341)
"""python-bitcoinlib's own: the answer was no JSON-RPC, as with a bad password (401) or a full work queue (503)."""


class Rpc:
    """A node at one address. Safe to share between threads; holds no connection."""

    def __init__(self, url: str, *, cookie_file: Path | None = None, timeout_seconds: float = 30.0) -> None:
        """``url`` is ``http://user:password@host:port``, or without credentials when ``cookie_file`` has them.

        The cookie is read anew for every call: the node writes another at each start. Raises ``ValueError``.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("a node's address is http://[user:password@]host:port")
        if cookie_file is None and not parts.password:
            raise ValueError("a node's address without a password needs a cookie file")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._endpoint = f"{host}:{_port(parts)}{parts.path or '/'}"
        self._credentials = _plain(unquote(f"{parts.username}:{parts.password}"))
        self._cookie_file = cookie_file
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"Rpc({self._endpoint})"

    def call(self, method: str, *params: Json, timeout_seconds: float | None = None) -> Any:
        """The node's result. Raises ``NodeRefused`` (it said no) or ``NodeUnavailable`` (nothing is known)."""
        connection = self._connect(timeout_seconds)
        try:
            with _translated(method):
                return connection.call(method, *params)
        finally:
            connection.close()

    def batch(
        self, method: str, calls: Sequence[Sequence[Json]], *, timeout_seconds: float | None = None
    ) -> list[Any | NodeRefused]:
        """The same method many times in one request: results in order, a ``NodeRefused`` where the node said no."""
        if not calls:
            return []
        connection = self._connect(timeout_seconds)
        try:
            with _translated(method):
                answers = connection.batch(method, calls)
        finally:
            connection.close()
        with expecting(method):
            by_id = {answer["id"]: answer for answer in answers}
            return [_result_or_refusal(method, by_id[number]) for number in range(len(calls))]

    def _connect(self, timeout_seconds: float | None) -> _Connection:
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return _Connection(f"http://{self._login()}@{self._endpoint}", timeout=timeout)

    def _login(self) -> str:
        if self._cookie_file is None:
            return self._credentials
        try:
            return _plain(self._cookie_file.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as unreadable:
            raise NodeUnavailable("the node's cookie file cannot be read: is the node up?") from unreadable


def to_sat(btc: object) -> int:
    """Satoshi of what the node wrote as BTC, exactly. Raises ``ValueError`` for more than 8 places or no amount."""
    if isinstance(btc, bool) or not isinstance(btc, int | Decimal):
        raise ValueError("not a number of BTC")
    value = Decimal(btc)
    # Compared before any arithmetic: that would round, overflow, or fill the memory with digits.
    if not value.is_finite() or not -MAX_BTC <= value <= MAX_BTC:
        raise ValueError("not an amount of BTC that can exist")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -8:
        raise ValueError("more than 8 places")
    return int(value * SAT_PER_BTC)


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Turn what reading a malformed answer raises into ``NodeUnavailable``: a node that answers no sense is no node."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as nonsense:
        raise NodeUnavailable(f"the node's answer to {what} makes no sense") from nonsense


class _Connection(Proxy):  # type: ignore[misc]  # python-bitcoinlib has no types
    """A batch is bitcoinlib's to send but not public."""

    def batch(self, method: str, calls: Sequence[Sequence[Json]]) -> Any:
        return self._batch(
            {"version": "1.1", "method": method, "params": list(params), "id": number}
            for number, params in enumerate(calls)
        )


@contextmanager
def _translated(method: str) -> Iterator[None]:
    try:
        yield
    except JSONRPCError as error:
        raise _translate(method, error.error) from None
    except (OSError, HTTPException) as silent:
        raise NodeUnavailable(f"no answer from the node to {method}: {type(silent).__name__}") from None
    except (UnicodeDecodeError, AttributeError, TypeError, RecursionError) as nonsense:
        # bitcoinlib expects a JSON object in UTF-8 and checks neither.
        raise NodeUnavailable(f"the node's answer to {method} is no JSON-RPC") from nonsense


def _translate(method: str, error: Mapping[str, Any]) -> NodeRefused | NodeUnavailable:
    code, message = error.get("code"), str(error.get("message", ""))[:200]
    if not isinstance(code, int) or code in NO_ANSWER:
        return NodeUnavailable(f"the node answered {method} with no JSON-RPC: wrong credentials, or too busy")
    if code == IN_WARMUP:
        return NodeUnavailable(f"the node is starting: {message}")
    return NodeRefused(f"{method}: {message}", rpc_code=code, rpc_message=message)


def _result_or_refusal(method: str, answer: Mapping[str, Any]) -> Any | NodeRefused:
    if answer.get("error") is None:
        return answer["result"]
    failure = _translate(method, answer["error"])
    if isinstance(failure, NodeUnavailable):
        raise failure
    return failure


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or 80
    except ValueError:
        # urllib's own message repeats what stands there, which in a mistyped address is the password.
        raise ValueError("the port in a node's address is a number") from None


def _plain(credentials: str) -> str:
    """Credentials that survive in bitcoinlib's URL, which it does not decode."""
    if set(credentials) & set("/?#[]\r\n\t "):
        raise ValueError("credentials of a node are letters and digits; use a hex password or the cookie")
    return credentials
