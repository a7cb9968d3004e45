"""What may stand in the config files, as JSON schema: a schema for each group, and one for the whole config."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lightning_sweeps.overrides.groups import describe_option, find_groups
from lightning_sweeps.schemas.targets import HYDRAS_OWN, Schema, or_filled_in, parameters
from lightning_sweeps.searches.config import StudySweeper

DRAFT = "http://json-schema.org/draft-07/schema#"
WHOLE = "config"  # the schema of config.yaml and of the groups that have its package
DEFAULTS: Schema = {"type": "array", "items": {"type": ["string", "object"]}}


def schemas(folders: Sequence[Path]) -> dict[str, Schema]:
    """Name -> schema: one for each config group found in the folders, and ``config``."""
    groups = {name: list(options.values()) for name, options in find_groups(folders).items()}
    whole = {name for name, files in groups.items() if any(_is_global(file) for file in files)}
    parts = {name: node([_read(file) for file in files]) for name, files in groups.items() if name not in whole}
    found = {name: _file(part, {"defaults": DEFAULTS}) for name, part in parts.items()}
    primary = next(file for folder in folders if (file := folder / "config.yaml").is_file())
    own = {key: value for key, value in _read(primary).items() if key not in ("defaults", "hydra")}
    properties = {
        "defaults": _defaults(groups),
        **node([own])["properties"],
        **{name: {"$ref": f"{name}.json"} for name in parts},
        "hydra": {"type": "object", "properties": {"sweeper": _sweeper()}},
    }
    found[WHOLE] = {"$schema": DRAFT, "type": "object", "properties": properties, "additionalProperties": False}
    return found


def files_of(name: str, conf: Path) -> list[str]:
    """Which files of the folder a schema is for, as patterns."""
    if name != WHOLE:
        return [f"{conf.name}/{name}/*.yaml"]
    whole = {group for group, options in find_groups([conf]).items() if any(map(_is_global, options.values()))}
    return [f"{conf.name}/config.yaml", *(f"{conf.name}/{group}/*.yaml" for group in sorted(whole))]


def node(examples: Sequence[Mapping[str, Any]]) -> Schema:
    """What may stand where these stand: all that their targets take, and what they have themselves."""
    targets = sorted({str(one["_target_"]) for one in examples if "_target_" in one})
    shown = {key: [one[key] for one in examples if key in one] for one in examples for key in one}
    here = {key: _shown(values) for key, values in shown.items() if key not in ("defaults", *HYDRAS_OWN)}
    if not targets:
        return {"type": ["object", "null"], "properties": here, "additionalProperties": False}
    conditions = []
    everything: Schema = {}
    any_others = False
    for target in targets:
        takes, others = parameters(target)
        with_target = [one for one in examples if one.get("_target_") == target]
        nested = {key: here[key] for one in with_target for key in one if key in here}
        allowed = {**HYDRAS_OWN, **{key: _described(takes.get(key), value) for key, value in nested.items()}}
        allowed = {**takes, **allowed}
        for key, value in allowed.items():
            known = everything.setdefault(key, value)
            if value != known:
                everything[key] = {"anyOf": [known, value]}
        any_others = any_others or others
        conditions.append(
            {
                "if": {"properties": {"_target_": {"const": target}}, "required": ["_target_"]},
                "then": {"properties": allowed, "additionalProperties": others},
            }
        )
    # A part of the node, as experiments have it.
    partial = {"if": {"required": ["_target_"]}, "else": {"properties": everything, "additionalProperties": any_others}}
    return {"type": ["object", "null"], "allOf": [*conditions, partial]}


def _described(takes: Schema | None, shown: Schema) -> Schema:
    """A nested node as the files have it, a value as the signature has it."""
    if takes is None or "allOf" in shown or "properties" in shown:
        return shown
    return takes


def _shown(values: Sequence[Any]) -> Schema:
    """The schema of a value that no signature describes."""
    mappings = [value for value in values if isinstance(value, Mapping)]
    if mappings:
        return node(mappings)
    kinds = {_kind(value) for value in values}
    return {} if "any" in kinds else or_filled_in({"type": sorted(kinds)})


def _kind(value: Any) -> str:
    if value is None or (isinstance(value, str) and value[:2] in ("${", "??")):
        return "any"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "any"  # a text may often be something else, as auto is


def _file(part: Schema, more: Schema) -> Schema:
    """A node that is a whole file, which may have these keys too."""
    part = {**part, "$schema": DRAFT}
    if "properties" in part:
        part["properties"] = {**part["properties"], **more}
        return part
    part["allOf"] = [
        {
            key: {**value, "properties": {**value["properties"], **more}} if key in ("then", "else") else value
            for key, value in condition.items()
        }
        for condition in part["allOf"]
    ]
    return part


def _defaults(groups: Mapping[str, Sequence[Path]]) -> Schema:
    """The defaults list: a group's options by name."""
    properties: Schema = {}
    for group, files in groups.items():
        options = [{"const": file.stem, "description": describe_option(file)} for file in files]
        choice = {"anyOf": [*options, {"type": "null"}, {"type": "array", "items": {"anyOf": options}}]}
        properties |= {group: choice, f"override /{group}": choice}
    entry = {
        "type": "object",
        "properties": properties,
        "patternProperties": {"hydra/": {}},
        "additionalProperties": False,
    }
    return {"type": "array", "items": {"anyOf": [{"type": "string"}, entry]}}


def _sweeper() -> Schema:
    """The options of ``hydra/sweeper=study``; the stock sweepers have others."""
    names = [field.name for field in dataclasses.fields(StudySweeper) if not field.name.startswith("_")]
    properties: Schema = {name: {} for name in names if name != "defaults"}
    properties["params"] = {"type": ["object", "null"], "description": "key: choice(...), range(...), interval(...)"}
    return {"type": "object", "properties": {**properties, **HYDRAS_OWN}, "additionalProperties": False}


def _is_global(file: Path) -> bool:
    with file.open(encoding="utf-8") as lines:
        return next(lines, "").strip() == "# @package _global_"


def _read(file: Path) -> dict[str, Any]:
    loaded: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return loaded or {}
