"""The Python client of the API: signs its calls and what it asks for, and believes no address it cannot derive.

It stands on what a signature can prove and on chains without a node, and on nothing of the daemon's.
"""

from __future__ import annotations

from custody.evidence.calls import SharedSecret, SigningKey
from custody.sdk import webhooks
from custody.sdk.client import Client
from custody.sdk.environment import Requester
from custody.sdk.errors import (
    AddressNotOurs,
    ApiError,
    HouseBroken,
    HouseUnavailable,
    InConflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotProven,
    NotThere,
    StillWaiting,
    TooManyCalls,
)
from custody.sdk.memory import RootSeen

__all__ = [
    "AddressNotOurs",
    "ApiError",
    "Client",
    "HouseBroken",
    "HouseUnavailable",
    "InConflict",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotProven",
    "NotThere",
    "Requester",
    "RootSeen",
    "SharedSecret",
    "SigningKey",
    "StillWaiting",
    "TooManyCalls",
    "webhooks",
]
