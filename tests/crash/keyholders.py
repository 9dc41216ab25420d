"""Cosigners at their desks: the real program's judgement and memory, without its command line and its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from custody.cosigner.answering import Desk, Signed, SignedRefusal
from custody.cosigner.keys import CosignerKey
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.evidence.bundle import Bundle
from tests.cosigner.builders import World

Ask = Callable[[str, str, str, dict[str, Any] | None], Any]
"""``(caller, method, path, body)``: one call of the API, repeated until it is answered."""


class Keyholders:
    """Every cosigner of a keyset, by its opened key. Use from the thread that made it: memories are SQLite files."""

    def __init__(self, ceremony: World, keys: Mapping[str, CosignerKey], home: Path) -> None:
        self._memories = {name: Memory.create(home / f"{name}.sqlite") for name in keys}
        for memory in self._memories.values():
            memory.pin(ceremony.root.hash, now=datetime.now(UTC))
        self._desks = [Desk(keys[name], memory, Limits()) for name, memory in self._memories.items()]
        self.agree = True
        self.ahead = timedelta(0)
        """How far their clocks are shifted, like their daemon's."""

    def work(self, ask: Ask) -> None:
        """Each fetches its bundles and answers them."""
        for desk in self._desks:
            found = ask(desk.name, "GET", f"/v1/bundles?cosigner={desk.name}", None)
            for document in found["bundles"]:
                self._answer(desk, Bundle.parse(document), ask)

    def _answer(self, desk: Desk, bundle: Bundle, ask: Ask) -> None:
        answer = desk.answer(bundle, confirm=lambda _verdict: self.agree, clock=lambda: datetime.now(UTC) + self.ahead)
        if isinstance(answer, Signed):
            body: dict[str, Any] = {"cosigner": desk.name, answer.field: answer.signed}
            ask(desk.name, "POST", f"/v1/bundles/{bundle.id}/signatures", body)
        elif isinstance(answer, SignedRefusal):
            body = {"refusal": answer.refusal.to_json(), "signature": answer.signature}
            ask(desk.name, "POST", f"/v1/bundles/{bundle.id}/refusals", body)
        else:
            raise AssertionError(f"{desk.name} does not sign: {answer.why}")

    def close(self) -> None:
        """Close the memories."""
        for memory in self._memories.values():
            memory.close()
