"""Partially signed transactions, version 0 (BIP-174): compose, read, check, count, combine, finalise.

Our own reader keeps every byte; embit and bdkpython must accept what it accepts. Nothing here signs.
"""

from custody.chains.bitcoin.offline.psbt.composing import PayOutput, SpendInput, compose
from custody.chains.bitcoin.offline.psbt.finalizing import (
    FinalTransaction,
    NotFinal,
    extract,
    finalize,
    finalize_inputs,
)
from custody.chains.bitcoin.offline.psbt.maps import MAX_INPUTS, MAX_OUTPUTS
from custody.chains.bitcoin.offline.psbt.reading import MAX_PSBT_BYTES, parse_psbt, refuse_other_network
from custody.chains.bitcoin.offline.psbt.signatures import (
    SignatureRefused,
    add_signatures,
    combine,
    count_valid_signatures,
    verified_signatures,
)
from custody.chains.bitcoin.offline.psbt.view import (
    InputView,
    OutputView,
    Psbt,
    PsbtRefused,
    check_input_amounts,
)

__all__ = [
    "MAX_INPUTS",
    "MAX_OUTPUTS",
    "MAX_PSBT_BYTES",
    "FinalTransaction",
    "InputView",
    "NotFinal",
    "OutputView",
    "PayOutput",
    "Psbt",
    "PsbtRefused",
    "SignatureRefused",
    "SpendInput",
    "add_signatures",
    "check_input_amounts",
    "combine",
    "compose",
    "count_valid_signatures",
    "extract",
    "finalize",
    "finalize_inputs",
    "parse_psbt",
    "refuse_other_network",
    "verified_signatures",
]
