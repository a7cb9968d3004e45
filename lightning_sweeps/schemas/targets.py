"""What a ``_target_`` takes, as JSON schema."""

import functools
import inspect
import json
import types
import typing
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Union

import docstring_parser
from hydra.utils import get_object
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from lightning_sweeps.safety.trust import whitelist

Schema = dict[str, Any]
# What Hydra's instantiate reads, and what OmegaConf fills in.
HYDRAS_OWN: Schema = {
    "_target_": {"type": "string", "description": "the class or function to call"},
    "_args_": {"type": "array"},
    "_convert_": {"enum": ["none", "partial", "object", "all"]},
    "_partial_": {"type": "boolean"},
    "_recursive_": {"type": "boolean"},
}
FILLED_IN: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
_GIVEN_BY_CODE = {"params", "optimizer"}  # first arguments of optimizers and schedulers


@functools.cache
def parameters(target: str) -> tuple[Schema, bool]:
    """The properties of a node with this target, and whether it takes others as well.

    Only what a config may call is imported; of anything else nothing is known.
    """
    if not any(fnmatchcase(target, pattern) for pattern in whitelist()):
        return {}, True
    called = get_object(target)
    described = _descriptions(called)
    hints = _hints(called)
    found: Schema = {}
    others = False
    for index, (name, parameter) in enumerate(inspect.signature(called).parameters.items()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            others = others or parameter.kind is parameter.VAR_KEYWORD
        elif index > 0 or name not in _GIVEN_BY_CODE:
            found[name] = {**or_filled_in(_type(hints.get(name, Any))), **_default(parameter.default)}
            if name in described:
                found[name]["description"] = described[name]
    return found, others


def or_filled_in(schema: Schema) -> Schema:
    """The schema, or an interpolation or ``???`` in its place."""
    return {"anyOf": [schema, FILLED_IN]} if schema else {}


def _hints(called: Any) -> dict[str, Any]:
    function: Callable[..., Any] = called.__init__ if inspect.isclass(called) else called
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names that are only there for the type checker
        return {}


def _type(hint: Any) -> Schema:
    if typing.get_origin(hint) in (Union, types.UnionType):
        options = [_type(one) for one in typing.get_args(hint)]
        return {} if {} in options else {"anyOf": options}
    try:
        schema = TypeAdapter(hint).json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError):
        # A class of its own: a config gives it as a node.
        return {"type": "object"} if inspect.isclass(hint) else {}
    return {} if "$defs" in schema or "$ref" in schema else {key: schema[key] for key in schema if key != "title"}


def _default(value: Any) -> Schema:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return {}
    return {"default": value}


def _descriptions(called: Any) -> dict[str, str]:
    texts = [inspect.getdoc(called), inspect.getdoc(called.__init__) if inspect.isclass(called) else None]
    parsed = [docstring_parser.parse(text) for text in texts if text]
    return {one.arg_name: " ".join(one.description.split()) for doc in parsed for one in doc.params if one.description}
