"""One call to a node that is silent, busy, wrong or talkative: our error families, and none of our secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from custody.chains.ethereum.rpc import (
    CALLS_PER_REQUEST,
    MAX_DEPTH,
    TOO_DEEP,
    TOO_LARGE,
    Portion,
    Rpc,
    is_forgotten,
    is_not_offered,
)
from custody.chains.port import NodeRefused, NodeUnavailable
from demo.servers import Anvil

SECRETS = ("hunter22", "somebody", "k3yk3yk3y", "t0ken")


class Talker:
    """A server that answers whatever it is told to."""

    def __init__(self) -> None:
        self.answer: Callable[[Any], tuple[int, bytes]] = lambda _: (200, b"")
        self.seen: list[tuple[str, str | None, Any]] = []
        talker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                talker.seen.append((self.path, self.headers.get("Authorization"), body))
                status, text = talker.answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def says(self, text: object, status: int = 200) -> None:
        raw = text if isinstance(text, bytes) else json.dumps(text).encode()
        self.answer = lambda _: (status, raw)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def rpc(self) -> Rpc:
        return Rpc(f"http://somebody:hunter22@127.0.0.1:{self.port}/v3/k3yk3yk3y?auth=t0ken", timeout_seconds=5)


@pytest.fixture
def talker() -> Iterator[Talker]:
    made = Talker()
    yield made
    made.close()


def test_asks_with_credentials_and_path_and_reads_the_result(talker: Talker) -> None:
    talker.says({"jsonrpc": "2.0", "id": 0, "result": "0x1"})
    assert talker.rpc.call("eth_chainId", {"a": [1]}) == "0x1"
    ((path, login, body),) = talker.seen
    assert (path, login) == ("/v3/k3yk3yk3y?auth=t0ken", "Basic c29tZWJvZHk6aHVudGVyMjI=")
    assert body == {"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": [{"a": [1]}]}


def test_a_batch_is_put_in_order_and_cut_to_what_nodes_take(talker: Talker) -> None:
    def shuffled(body: Any) -> tuple[int, bytes]:
        answers = [{"id": each["id"], "result": each["params"][0]} for each in body]
        return 200, json.dumps(answers[::-1]).encode()

    talker.answer = shuffled
    asked = CALLS_PER_REQUEST + 5
    assert talker.rpc.batch([("x", (number,)) for number in range(asked)]) == list(range(asked))
    assert [len(body) for _, _, body in talker.seen] == [CALLS_PER_REQUEST, 5]
    assert talker.rpc.batch([]) == []


def test_what_the_node_refuses_is_told_one_by_one(talker: Talker) -> None:
    talker.says([{"id": 1, "result": None}, {"id": 0, "error": {"code": -32601, "message": "method not found"}}])
    refused, found = talker.rpc.batch([("a", ()), ("b", ())])
    assert isinstance(refused, NodeRefused)
    assert is_not_offered(refused)
    assert not is_forgotten(refused)
    assert found is None
    talker.says({"id": None, "error": {"code": -32600, "message": "batch too large"}})
    assert all(isinstance(each, NodeRefused) for each in talker.rpc.batch([("a", ()), ("b", ())]))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"", 200), (b"<html>", 502), (b"null", 200), (b"[]", 200), (b"7", 200), (b"{}", 200), (b"\xff", 200),
        (b'{"error": 1}', 200), (b'{"error": {"code": "x", "message": ""}}', 200), (b"unauthorised", 401),
        (b'{"result": 1}', 429),
    ],
)  # fmt: skip
def test_nonsense_is_no_answer(talker: Talker, text: bytes, status: int) -> None:
    talker.says(text, status)
    with pytest.raises(NodeUnavailable):
        talker.rpc.call("eth_blockNumber")
    with pytest.raises(NodeUnavailable):
        talker.rpc.batch([("eth_blockNumber", ())])


def test_an_answer_too_deep_to_read_is_a_refusal(talker: Talker) -> None:
    talker.says(b'{"id": 0, "result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(NodeRefused) as refused:
        talker.rpc.call("debug_traceBlockByHash")
    assert refused.value.facts["rpc_code"] == TOO_DEEP
    inner = b'"]]]]\\"}}}}"'
    talker.says(b'{"id": 0, "result": ' + (b"[" + inner + b",") * MAX_DEPTH + inner + b"]" * MAX_DEPTH + b"}")
    with pytest.raises(NodeRefused):
        talker.rpc.call("debug_traceBlockByHash")
    talker.says({"id": 0, "result": [['[[[{{{"\\'], {}] * MAX_DEPTH})
    assert len(talker.rpc.call("trace_block")) == 2 * MAX_DEPTH


def test_no_part_of_the_address_stands_in_an_error(talker: Talker) -> None:
    words = f"bad key k3yk3yk3y for somebody:hunter22 at http://127.0.0.1:{talker.port}/v3/k3yk3yk3y?auth=t0ken"
    talker.says({"id": 0, "error": {"code": -32000, "message": words}})
    with pytest.raises(NodeRefused) as refused:
        talker.rpc.call("eth_call")
    said = [str(refused.value), str(refused.value.facts), repr(refused.value.__cause__), repr(talker.rpc)]
    talker.says(words.encode(), 401)
    with pytest.raises(NodeUnavailable) as silent:
        talker.rpc.call("eth_call")
    said += [str(silent.value), str(silent.value.facts)]
    with pytest.raises(ValueError) as wrong:
        Rpc("http://somebody:hunter22@node:k3yk3yk3y/")
    said += [str(wrong.value)]
    with pytest.raises(NodeUnavailable) as away:
        Rpc("http://somebody:hunter22@127.0.0.1:9/k3yk3yk3y", timeout_seconds=1).call("eth_call")
    said += [str(away.value), repr(away.value.__cause__)]
    assert not [text for text in said if any(secret in text for secret in SECRETS)]


@pytest.mark.parametrize("url", ["", "node", "ftp://node", "http://", "ws://node", "http://node:x"])
def test_refuses_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="node's address"):
        Rpc(url)


def test_a_node_that_never_answers_is_given_up_on(talker: Talker) -> None:
    stop = threading.Event()

    def wait(_: Any) -> tuple[int, bytes]:
        stop.wait(5)
        return 200, b""

    talker.answer = wait
    with pytest.raises(NodeUnavailable, match="TimeoutError"):
        talker.rpc.call("eth_call", timeout_seconds=0.05)
    stop.set()


def test_a_request_the_node_finds_too_large_is_a_refusal(talker: Talker, anvil: Anvil) -> None:
    talker.says(b"<html>", 413)
    with pytest.raises(NodeRefused) as refused:
        talker.rpc.call("eth_call")
    assert refused.value.facts["rpc_code"] == TOO_LARGE
    # This node stops listening after two million characters; whether it can still say so is a matter of luck.
    with pytest.raises(NodeRefused):
        Rpc(anvil.url).call("eth_call", {"data": "0x" + "00" * 3_000_000}, "latest")
    assert Rpc(anvil.url).call("eth_chainId") == "0x7a69"


def test_a_portion_halves_grows_and_gives_up_at_one() -> None:
    refusal = NodeRefused("too many results", rpc_code=-32005, rpc_message="too many results")
    portion = Portion(1_000)
    portion.halve(refusal, 1_000)
    portion.halve(refusal, 500)
    assert portion.size == 250
    for _ in range(4):
        portion.went_well()
    assert 250 < portion.size < 1_000
    for _ in range(40):
        portion.went_well()
    assert portion.size == 1_000
    portion.halve(refusal, 3)
    assert portion.size == 1
    with pytest.raises(NodeRefused):
        portion.halve(refusal, 1)
