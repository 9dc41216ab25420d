"""What proves the house's word to a program outside: every version of the trust root, and whose a vault is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.call import AsReader
from custody.approvals import queries as intents
from custody.clients import queries as clients
from custody.db import Unit
from custody.evidence import fields
from custody.trust.operations import InForce
from custody.vaults import queries as vaults

router = APIRouter(prefix="/v1")


@router.get("/trust-root")
def trust_root(call: AsReader) -> Response:
    """The first version with its ceremony, every version after it with who agreed, and the policy in force."""

    def work(_unit: Unit, trust: InForce) -> dict[str, Any]:
        return {
            "hash": trust.root.hash,
            "version": trust.root.version,
            "trust_root": trust.signed.to_json(),
            "succession": [link.to_json() for link in trust.links],
            "policy": trust.policy_text,
        }

    return JSONResponse(call.trusting(work))


@router.get("/clients/{client}/openings")
def openings(call: AsReader, client: str) -> Response:
    """The intents that made the client's vaults its own, each with its signature and the approvals given on it."""
    name = fields.name(client, field="client")

    def work(unit: Unit) -> list[dict[str, Any]]:
        clients.get(unit.session, client=name)
        digests = vaults.openings_of(unit.session, client=name)
        return [intents.proven(unit.session, digest=digest).to_json() for digest in digests]

    return JSONResponse({"openings": call.unit(work)})
