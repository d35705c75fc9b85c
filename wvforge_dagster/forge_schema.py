"""The JSON schema of forge.yaml, made of the models that read it: what editors complete and check a forge.yaml by."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from wvforge_dagster.channels.targets import TARGETS
from wvforge_dagster.core.forge import Forge

_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


def forge_schema() -> str:
    """The JSON schema (2020-12) as text. It knows kinds and keys; what names another thing of the forge it does not follow."""
    models: tuple[type[BaseModel], ...] = (Forge, *TARGETS.values())
    places, defined = models_json_schema([(model, "validation") for model in models])
    schema = defined["$defs"].pop("Forge")
    keys = schema["properties"]
    staging = [places[TARGETS[kind], "validation"] for kind in ("file", "s3")]
    keys["staging"]["anyOf"] = [*staging, {"type": "null"}]
    keys["publish"]["items"] = {"anyOf": [places[model, "validation"] for model in TARGETS.values()]}
    schema["type"] = ["object", "null"]  # an empty file is a forge of defaults
    # What is read as `platforms: [NAME]`.
    keys["platform"] = keys["platforms"]["items"] | {"description": "The one platform that is built for."}
    one_of_them = {"not": {"type": "object", "required": ["platform", "platforms"]}}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "forge.yaml"}
    return json.dumps(head | _plain(schema | one_of_them | defined), indent=2) + "\n"


def _plain(value: Any) -> Any:
    """Without what says nothing (titles made of names, defaults that are nothing or objects), and without links in
    descriptions: editors show them as they are."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _LINK.sub(r"\1", item) if key == "description" and isinstance(item, str) else _plain(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and not _says_something(item))
    }


def _says_something(default: Any) -> bool:
    return default is not None and not isinstance(default, dict)
