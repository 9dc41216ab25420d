"""Calls to an Ethereum node: JSON-RPC over HTTP, several in one request where they belong together.

Written over ``http.client`` of the standard library: web3 costs three seconds to import and reads into values of its
own, while all that is needed is a POST, the error families of the port, and answers read strictly. Each request has a
connection of its own: a kept one may be shared by no two threads and breaks when the node drops it.

An address may hold credentials in front of its host and a key in its path: none of that stands in any message, not
even where the node repeats it.
"""

from __future__ import annotations

import json
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from custody.chains.port import NodeRefused, NodeUnavailable

Json = str | int | bool | None | Sequence[Any] | Mapping[str, Any]
"""What may be a parameter: no float. Numbers of the chain are hex strings (``quantity``)."""

CALLS_PER_REQUEST: Final = 100
MAX_ANSWER_BYTES: Final = 1 << 28
"""A longer answer is not read: no block of any network we serve is near it."""

NO_SUCH_METHOD: Final = -32601
NO_SUCH_RESOURCE: Final = -32001
TOO_DEEP: Final = -1
"""Ours: the answer is nested deeper than ``MAX_DEPTH``."""

MAX_DEPTH: Final = 500
"""Lists and objects inside each other. A stranger can nest a thousand calls, and a tree of traces shows twice that:
reading it would end the process where a library has lifted the interpreter's own limit, as one of web3's does."""

TOO_LARGE: Final = -2
"""Ours: the node takes no request of this size (it said so, or hung up while it was sent)."""

_LARGE_BYTES: Final = 1 << 18
_CONTENT_TOO_LARGE: Final = 413
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_TOO_MANY_REQUESTS: Final = 429
_FORGOTTEN: Final = (
    "missing trie node", "historical state", "state is not available", "state not available", "state unavailable",
    "required state", "pruned", "proof window", "header not found",
    "not currently canonical", "for hash not found", "unknown block", "block not found",
    "could not find block", "old data not available", "blockoutofrange", "out of range", "no state available",
)  # fmt: skip
_NOT_OFFERED: Final = (
    "method not found", "does not exist", "not available", "not supported", "unsupported", "unknown method",
    "not allowed", "disabled", "not implemented",
)  # fmt: skip


class Rpc:
    """A node at one address. Safe to share between threads; holds no connection."""

    def __init__(self, url: str, *, timeout_seconds: float = 30.0) -> None:
        """``url`` is ``http[s]://[user:password@]host[:port][/path]``. Raises ``ValueError``, repeating none of it."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a node's address is http[s]://[user:password@]host[:port][/path]")
        self._host, self._port = parts.hostname, _port(parts)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if parts.password is not None:
            login = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
            self._headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
        words = [parts.username, parts.password, parts.query, *parts.path.split("/")]
        self._secrets = sorted({form for word in words if word for form in (word, unquote(word)) if len(form) > 3})
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"Rpc({self._host})"

    def call(self, method: str, *params: Json, timeout_seconds: float | None = None) -> Any:
        """The node's result. Raises ``NodeRefused`` (it said no) or ``NodeUnavailable`` (nothing is known)."""
        body = {"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)}
        with expecting(method):
            found = self._result(method, self._post(method, body, timeout_seconds))
        if isinstance(found, NodeRefused):
            raise found
        return found

    def batch(
        self, calls: Sequence[tuple[str, Sequence[Json]]], *, timeout_seconds: float | None = None
    ) -> list[Any | NodeRefused]:
        """Many calls, ``CALLS_PER_REQUEST`` in one request: results in order, ``NodeRefused`` where it said no."""
        found: list[Any | NodeRefused] = []
        for start in range(0, len(calls), CALLS_PER_REQUEST):
            found += self._request(calls[start : start + CALLS_PER_REQUEST], timeout_seconds)
        return found

    def _request(
        self, calls: Sequence[tuple[str, Sequence[Json]]], timeout_seconds: float | None
    ) -> list[Any | NodeRefused]:
        what = calls[0][0]
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = self._post(what, body, timeout_seconds)
        with expecting(what):
            if isinstance(answers, Mapping):
                # One error for all of them: the node refuses the batch itself.
                refused = self._result(what, answers)
                return [refused] * len(calls) if isinstance(refused, NodeRefused) else _nonsense()
            by_id = {answer["id"]: answer for answer in answers}
            return [self._result(method, by_id[number]) for number, (method, _) in enumerate(calls)]

    def _post(self, what: str, body: Any, timeout_seconds: float | None) -> Any:
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        connection = self._connection(timeout)
        asked = json.dumps(body, separators=(",", ":"))
        try:
            connection.request("POST", self._path, asked, self._headers)
            response = connection.getresponse()
            text = response.read(MAX_ANSWER_BYTES + 1)
        except (BrokenPipeError, ConnectionResetError) as closed:
            if len(asked) > _LARGE_BYTES:
                return _too_large()
            raise NodeUnavailable(f"no answer from the node to {what}: {type(closed).__name__}") from None
        except (OSError, HTTPException) as silent:
            raise NodeUnavailable(f"no answer from the node to {what}: {type(silent).__name__}") from None
        finally:
            connection.close()
        if response.status == _CONTENT_TOO_LARGE:
            return _too_large()
        if len(text) > MAX_ANSWER_BYTES or response.status == _TOO_MANY_REQUESTS:
            raise NodeUnavailable(f"the node answered {what} with too much, or is asked too often")
        if _is_too_deep(text):
            return {"error": {"code": TOO_DEEP, "message": "the answer is nested too deep"}}
        try:
            return json.loads(text)
        except ValueError:
            why = "wrong credentials, or too busy" if response.status != 200 else "no JSON"
            raise NodeUnavailable(f"the node answered {what} with HTTP {response.status}: {why}") from None

    def _connection(self, timeout: float) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=timeout)
        return HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)

    def _result(self, method: str, answer: Mapping[str, Any]) -> Any | NodeRefused:
        error = answer.get("error")
        if error is None:
            return answer["result"]
        code, message = error["code"], self._plain(str(error.get("message", "")))
        if type(code) is not int:
            raise ValueError("a code that is no number")
        return NodeRefused(f"{method}: {message}", rpc_code=code, rpc_message=message)

    def _plain(self, message: str) -> str:
        """The node's words without any part of our address in them, cut to one line's length."""
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return message[:200]


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Turn what reading a malformed answer raises into ``NodeUnavailable``: a node that answers no sense is no node."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as nonsense:
        raise NodeUnavailable(f"the node's answer to {what} makes no sense") from nonsense


def quantity(number: int) -> str:
    """A number as the protocol writes it: ``0x`` and hex digits without zeros in front."""
    return hex(number)


def at_block(block_hash: str) -> Mapping[str, Any]:
    """A block named by its hash (EIP-1898). A block that has left the best chain is refused, never another read."""
    return {"blockHash": block_hash, "requireCanonical": True}


def is_forgotten(refusal: NodeRefused) -> bool:
    """Whether the node says that it no longer has the state, the traces or the block asked for."""
    return refusal.facts["rpc_code"] == NO_SUCH_RESOURCE or _says(refusal, _FORGOTTEN)


def is_not_offered(refusal: NodeRefused) -> bool:
    """Whether the node says that it has no such method, or not for us."""
    return refusal.facts["rpc_code"] == NO_SUCH_METHOD or _says(refusal, _NOT_OFFERED)


class Portion:
    """How many things one request may ask for: halved when the node finds it too much, growing again after that.

    Nodes limit blocks, results, bytes, gas and seconds, each in words of its own; so any refusal halves, and only what
    is refused for a single thing is a refusal.
    """

    def __init__(self, most: int) -> None:
        self.size = self._most = most
        self._in_a_row = 0

    def went_well(self) -> None:
        """Remember a success; after a few, more is tried."""
        self._in_a_row += 1
        if self._in_a_row >= 4 and self.size < self._most:
            self.size = min(self._most, self.size + self.size // 2 + 1)
            self._in_a_row = 0

    def halve(self, refusal: NodeRefused, asked: int) -> None:
        """Ask for less next time. Raises ``refusal`` when one thing alone was asked for."""
        if asked <= 1:
            raise refusal
        self.size = max(1, min(self.size, asked) // 2)
        self._in_a_row = 0


def _too_large() -> Mapping[str, Any]:
    return {"error": {"code": TOO_LARGE, "message": "the request is too large for the node"}}


def _is_too_deep(text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _says(refusal: NodeRefused, words: Sequence[str]) -> bool:
    said = str(refusal.facts["rpc_message"]).lower()
    return any(word in said for word in words)


def _nonsense() -> list[Any | NodeRefused]:
    raise ValueError("one answer to several calls")


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        # urllib's own message repeats what stands there, which in a mistyped address is the password.
        raise ValueError("the port in a node's address is a number") from None
