"""Shapes of JSON, as JSON Schema with an example in every leaf, so that a whole example can be made of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Shape = Mapping[str, Any]

COMPONENTS: Final = "#/components/schemas/"


def text(example: str, **more: Any) -> Shape:
    """A string."""
    return {"type": "string", "examples": [example], **more}


def number(example: int) -> Shape:
    """A whole number; money is never one."""
    return {"type": "integer", "examples": [example]}


def flag(example: bool = True) -> Shape:
    """Yes or no."""
    return {"type": "boolean", "examples": [example]}


def one_of(*words: str) -> Shape:
    """One of a few words."""
    return {"type": "string", "enum": list(words), "examples": [words[0]]}


def some(shape: Shape) -> Shape:
    """The shape, or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def many(shape: Shape) -> Shape:
    """A list of it."""
    return {"type": "array", "items": shape}


def by_name(shape: Shape, name: str = "operators") -> Shape:
    """An object whose keys are names, each with such a value."""
    return {"type": "object", "additionalProperties": shape, "x-name": name}


def thing(**fields: Shape) -> Shape:
    """An object with exactly these fields, all of them."""
    return {
        "type": "object",
        "properties": dict(fields),
        "required": list(fields),
        "additionalProperties": False,
    }


def with_more(shape: Shape, **fields: Shape) -> Shape:
    """The object with further fields."""
    return thing(**{**shape["properties"], **fields})


def with_maybe(shape: Shape, **fields: Shape) -> Shape:
    """The object with fields that may be left out."""
    return {**shape, "properties": {**shape["properties"], **fields}}


def document(words: str, example: Mapping[str, Any] = MappingProxyType({})) -> Shape:
    """An object that another document describes: what is signed, and what proves it."""
    return {"type": "object", "description": words, "additionalProperties": True, "examples": [dict(example)]}


def ref(name: str) -> Shape:
    """A shape that stands among the components under this name."""
    return {"$ref": COMPONENTS + name}


def example_of(shape: Shape, components: Mapping[str, Shape]) -> Any:
    """One whole value of ``shape``."""
    if "$ref" in shape:
        return example_of(components[str(shape["$ref"]).removeprefix(COMPONENTS)], components)
    if "examples" in shape:
        return shape["examples"][0]
    if "anyOf" in shape:
        return example_of(shape["anyOf"][0], components)
    if shape["type"] == "array":
        return [example_of(shape["items"], components)]
    if "x-name" in shape:
        return {shape["x-name"]: example_of(shape["additionalProperties"], components)}
    return {name: example_of(field, components) for name, field in shape["properties"].items()}
