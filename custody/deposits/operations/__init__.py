"""Everything that changes a deposit. No operation commits; one unit at a time works on a chain."""

from custody.deposits.operations.advance import Advanced, advance
from custody.deposits.operations.doubting import lift_suspension
from custody.deposits.operations.mempool import MempoolNoted, note_mempool

__all__ = ["Advanced", "MempoolNoted", "advance", "lift_suspension", "note_mempool"]
