"""What error codes mean: where the ``type`` and ``docs`` of every problem document lead."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.kernel.errors import NotFound
from custody.kernel.problems import PROBLEMS

router = APIRouter(prefix="/problems")


@router.get("")
def every() -> Response:
    """Every code there is. Needs no credential."""
    return JSONResponse({"problems": [each.to_json() for each in PROBLEMS.values()]})


@router.get("/{code}")
def one(code: str) -> Response:
    """One code: what it means, what it means for the money, whether to ask again. Needs no credential."""
    if code not in PROBLEMS:
        raise NotFound("no such code; /problems lists them", field="code")
    return JSONResponse(PROBLEMS[code].to_json())
