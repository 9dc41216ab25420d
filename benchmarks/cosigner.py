"""The cosigner's answer: ``python -m benchmarks.cosigner [--quick]``.

From the text of a bundle to a recorded signature, as the keyholder's program does it: read, verify (trust root, policy
evaluated again, approvals, every output derived again), ask, verify again under the lock, sign, write down with fsync.
One intent that two operators approved on each chain, and a batch of 200 payments. Beside it, in the same rounds, what
embit takes to put the same key's signature on the same PSBT and to verify nothing. Goals: 100 ms and 1 s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from embit.bip32 import HDKey
from embit.bip39 import mnemonic_to_seed
from embit.psbt import PSBT

from custody.cosigner.answering import Desk, Signed, read_bundle
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Bundle
from tests.cosigner.builders import BTC, NOW, World, address, words_of
from tests.cosigner.safe_builders import ETHER, SafeWorld

ONE_MS = 100
BATCH_MS = 1_000
BATCH = 200


def main() -> int:
    """Time every kind of bundle, new ones each time: an answer that was given once is only looked up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 15
    bitcoin, ether = World(), SafeWorld()
    good = [
        _report("one intent, bitcoin", bitcoin, _one(bitcoin), rounds, ONE_MS),
        _report("one intent, Safe", ether, _one_safe(ether), rounds, ONE_MS),
        _report(f"{BATCH} payments, bitcoin", bitcoin, _batch(bitcoin), min(rounds, 5), BATCH_MS),
    ]
    return 0 if all(good) else 1


def _one(world: World) -> Bundle:
    return world.large()


def _one_safe(world: SafeWorld) -> Bundle:
    return world.ether(6 * ETHER, approvers=("alice", "bob"))


def _batch(world: World) -> Bundle:
    payments = [
        world.payment(
            world.withdrawal(
                "acme", 400_000, destination=address(f"payee {number}"), idempotency_key=f"batch-{number}"
            ),
            branch=7,
        )
        for number in range(BATCH)
    ]
    psbt = world.transaction(payments, [world.coin(7, BTC)], fee_sat=20_000)
    return world.bundle(payments, [world.opening("acme", 7)], psbt)


def _report(name: str, world: World, bundle: Bundle, rounds: int, goal_ms: int) -> bool:
    text, ours, theirs = json.dumps(bundle.to_json()), [], []
    for _ in range(rounds):
        ours.append(_answer_ms(world, text))
        if not isinstance(world, SafeWorld):
            theirs.append(_embit_ms(world, bundle.unsigned))
    spent = statistics.median(ours)
    beside = f"; embit's bare signature {statistics.median(theirs):.1f} ms" if theirs else ""
    print(
        f"{name}: {spent:.0f} ms ({min(ours):.0f} to {max(ours):.0f}), goal {goal_ms} ms, {len(text):,} bytes{beside}"
    )
    return spent <= goal_ms


def _answer_ms(world: World, text: str) -> float:
    with tempfile.TemporaryDirectory() as home:
        memory = Memory.create(Path(home) / "memory.sqlite")
        memory.pin(world.root.hash, now=NOW)
        began = time.perf_counter()
        desk = Desk(world.key, memory, Limits())
        answer = desk.answer(read_bundle(json.loads(text)), confirm=lambda _verdict: True, clock=_clock)
        spent = (time.perf_counter() - began) * 1e3
        memory.close()
    if not isinstance(answer, Signed):
        raise TypeError(f"not signed: {answer}")
    return spent


def _embit_ms(world: World, unsigned: str) -> float:
    root = HDKey.from_seed(mnemonic_to_seed(words_of(world.me)))
    psbt = PSBT.from_string(unsigned)
    began = time.perf_counter()
    if psbt.sign_with(root) != len(psbt.inputs):
        raise RuntimeError("embit did not sign every input")
    return (time.perf_counter() - began) * 1e3


def _clock() -> datetime:
    return NOW


if __name__ == "__main__":
    sys.exit(main())
