"""The wall around the node's RPC: what a bad node, a bad wire and a bad address turn into."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from custody.chains.bitcoin.fees import estimate
from custody.chains.bitcoin.rpc import Rpc, to_sat
from custody.chains.port import BroadcastResult, NodeRefused, NodeUnavailable
from tests.chains.bitcoin.conftest import ASSET, adapter_for
from tests.chains.bitcoin.wire import Failure, FakeNode

BOUNDS = {"target_blocks": 6, "floor_sat_kvb": 1_000, "cap_sat_kvb": 300_000, "fallback_sat_kvb": 10_000}


@pytest.mark.parametrize(
    ("btc", "sat"),
    [
        (Decimal("0.00000001"), 1),
        (Decimal("1E-8"), 1),
        (Decimal("20999999.99999999"), 2_099_999_999_999_999),
        (Decimal("0.1"), 10_000_000),
        (0, 0),
        (Decimal("-0.5"), -50_000_000),
    ],
)
def test_btc_becomes_satoshi_exactly(btc, sat):
    assert to_sat(btc) == sat


@pytest.mark.parametrize(
    "btc",
    [
        0.1,
        "0.1",
        None,
        True,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+999999999"),
        Decimal("0.000000001"),
        Decimal("1E-999999999"),
        Decimal("0.1234567800000000000000000000001"),
    ],
)
def test_refuses_what_is_no_amount_of_btc(btc):
    with pytest.raises(ValueError, match=r"BTC|places"):
        to_sat(btc)


def test_the_nodes_no_carries_its_number(bitcoind):
    with pytest.raises(NodeRefused) as refused:
        Rpc(bitcoind.url).call("getblockhash", 10**6)
    assert refused.value.facts["rpc_code"] == -8
    with pytest.raises(NodeRefused):
        Rpc(bitcoind.url).call("nosuchmethod")


def test_a_batch_answers_each_call_in_order(bitcoind):
    rpc = Rpc(bitcoind.url)
    genesis = rpc.call("getblockhash", 0)
    good, bad, again = rpc.batch("getblockhash", [[0], [10**6], [0]])
    assert (good, again) == (genesis, genesis)
    assert isinstance(bad, NodeRefused)
    assert rpc.batch("getblockhash", []) == []


def test_threads_may_share_it(bitcoind):
    rpc = Rpc(bitcoind.url)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: rpc.call("getblockhash", 0), range(64)))
    assert len(set(answers)) == 1


def test_it_works_again_after_a_time_out(driver, forgetful):
    rpc = Rpc(driver.bitcoind.url.replace(str(driver.bitcoind.port), str(forgetful.port)), timeout_seconds=0.3)
    forgetful.swallow = b"getblockcount"
    with pytest.raises(NodeUnavailable):
        rpc.call("getblockcount")
    forgetful.swallow = None
    assert rpc.call("getblockcount") > 0


def test_a_wrong_password_is_unavailable_and_in_no_message(bitcoind):
    secret = "correcthorsebatterystaple"
    rpc = Rpc(f"http://custody:{secret}@127.0.0.1:{bitcoind.port}")
    with pytest.raises(NodeUnavailable) as refused:
        rpc.call("getblockcount")
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value.facts) + repr(rpc)
    assert secret not in shown


def test_reads_the_cookie_anew_for_each_call(bitcoind, tmp_path):
    user, password = bitcoind.url.removeprefix("http://").split("@")[0].split(":")
    cookie = tmp_path / ".cookie"
    rpc = Rpc(f"http://127.0.0.1:{bitcoind.port}", cookie_file=cookie)
    with pytest.raises(NodeUnavailable):
        rpc.call("getblockcount")
    cookie.write_text(f"{user}:{password}\n")
    assert rpc.call("getblockcount") >= 0


@pytest.mark.parametrize(
    "url",
    [
        "https://a:b@host:1",
        "host:8332",
        "http://host:8332",
        "http://user@host:8332",
        "http://a:b%2Fc@host",
        "",
        "http://a:b@h:x",
        "http://a:b/c@host:1",
    ],
)
def test_refuses_an_address_that_cannot_work_without_repeating_it(url):
    with pytest.raises(ValueError, match=r"node|port") as refused:
        Rpc(url)
    assert "b%2Fc" not in str(refused.value)
    assert "b/c" not in "".join(traceback.format_exception(refused.value)[-1:])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"error": {"code": []}}',
        b'{"error": 3}',
        b"\xff\xfe",
        b"<html>busy</html>",
        b'{"result": ',
    ],
)
def test_an_answer_that_is_no_json_rpc_is_unavailable(body):
    with FakeNode(lambda method, params: body) as node, pytest.raises(NodeUnavailable):
        Rpc(node.url).call("getblockcount")


@pytest.mark.parametrize("result", [None, 7, "x" * 64, "ab" * 31, [], {}, {"tx": 3}])
def test_an_answer_of_the_wrong_shape_is_unavailable(result):
    with FakeNode(lambda method, params: result) as node:
        adapter = adapter_for(node.url)
        for ask in (
            adapter.status,
            lambda: adapter.block_hash(1),
            lambda: adapter.block("00" * 32),
            lambda: adapter.holdings([b"\x51"], assets=[ASSET]),
            lambda: adapter.raw_transaction("00" * 32),
            lambda: adapter.in_mempool(["00" * 32]),
        ):
            with pytest.raises(NodeUnavailable):
                ask()


def test_a_node_that_warms_up_or_scans_already_is_unavailable():
    for failure in (Failure(-28, "Loading block index…"), Failure(-8, 'Scan already in progress, use action "abort"')):
        with FakeNode(lambda method, params, failure=failure: failure) as node, pytest.raises(NodeUnavailable):
            adapter_for(node.url).holdings([b"\x51"], assets=[ASSET])


RAW = bytes.fromhex("0100000001" + "00" * 37 + "ffffffff" + "010100000000000000" + "00" + "00000000")
TIPS = ("aa" * 32, "bb" * 32)


def scanning(tips):
    """A node whose tip at each scan is the next of ``tips``."""
    following = iter(tips)

    def answer(method: str, params: list) -> object:
        tip = next(following)
        return {"success": True, "height": TIPS.index(tip), "bestblock": tip, "unspents": []}

    return answer


def test_parts_of_a_scan_at_different_tips_are_scanned_again(monkeypatch):
    monkeypatch.setattr("custody.chains.bitcoin.adapter.SCRIPTS_PER_SCAN", 1)
    old, new = TIPS
    with FakeNode(scanning([old, new, new, new])) as node:
        assert adapter_for(node.url).holdings([b"\x51", b"\x52"], assets=[ASSET]).hash == new
    with FakeNode(scanning([old, new] * 10)) as node, pytest.raises(NodeUnavailable):
        adapter_for(node.url).holdings([b"\x51", b"\x52"], assets=[ASSET])


def test_a_send_answered_with_another_txid_is_unknown():
    def answer(method: str, params: list) -> object:
        return "00" * 32 if method == "sendrawtransaction" else b'[{"id":0,"error":{"code":-5}}]'

    with FakeNode(answer) as node:
        assert adapter_for(node.url).broadcast(RAW).result is BroadcastResult.UNKNOWN


@pytest.mark.parametrize(
    ("code", "reason", "result"),
    [
        (-27, "Transaction outputs already in utxo set", BroadcastResult.ALREADY_KNOWN),
        (-26, "txn-already-in-mempool", BroadcastResult.ALREADY_KNOWN),
        (-26, "txn-already-known", BroadcastResult.ALREADY_KNOWN),
        (-26, "min relay fee not met", BroadcastResult.REJECTED),
        (-26, "txn-mempool-conflict", BroadcastResult.REJECTED),
        (-25, "Fee exceeds maximum configured by user", BroadcastResult.REJECTED),
        (-22, "TX decode failed", BroadcastResult.REJECTED),
        (-25, "bad-txns-inputs-missingorspent", BroadcastResult.UNKNOWN),
        (-31, "Peer-to-peer functionality missing or disabled", BroadcastResult.UNKNOWN),
        (-28, "Loading wallet…", BroadcastResult.UNKNOWN),
        (-1, "something new", BroadcastResult.UNKNOWN),
    ],
)
def test_only_a_clear_no_counts_as_rejected(code, reason, result):
    def answer(method: str, params: list) -> object:
        return Failure(code, reason) if method == "sendrawtransaction" else b'[{"id":0,"error":{"code":-5}}]'

    with FakeNode(answer) as node:
        outcome = adapter_for(node.url).broadcast(RAW)
    assert outcome.result is result
    assert outcome.reason


@pytest.mark.parametrize(
    ("estimated", "rate"),
    [
        ('{"feerate": 0}', 10_000),
        ('{"feerate": 0.00000000}', 10_000),
        ('{"feerate": -1}', 10_000),
        ('{"feerate": NaN}', 10_000),
        ('{"feerate": Infinity}', 10_000),
        ('{"feerate": "0.1"}', 10_000),
        ('{"feerate": null}', 10_000),
        ('{"errors": ["Insufficient data or no feerate found"], "blocks": 0}', 10_000),
        ('{"feerate": 1e999999999}', 10_000),
        ('{"feerate": 10000.0}', 300_000),
        ('{"feerate": 0.00000001}', 1_000),
        ('{"feerate": 0.00023456}', 23_456),
    ],
)
def test_p041_an_estimate_is_replaced_or_held_between_floor_and_cap(estimated, rate):
    body = f'{{"result": {estimated}, "error": null, "id": 1}}'.encode()
    with FakeNode(lambda method, params: body) as node:
        assert estimate(adapter_for(node.url), **BOUNDS) == rate


def test_p041_bounds_that_contradict_are_refused():
    with FakeNode(lambda method, params: {}) as node, pytest.raises(ValueError, match="floor"):
        estimate(adapter_for(node.url), **{**BOUNDS, "floor_sat_kvb": 300_001})
