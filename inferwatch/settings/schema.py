"""The JSON Schema (2020-12) of the config, made from the tree and its documentation."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from inferwatch.settings.tree import Settings

DIALECT = GenerateJsonSchema.schema_dialect


def schema() -> dict[str, Any]:
    """The schema as plain values.

    >>> schema()["properties"]["start"]["description"]
    'Where a consumer group starts when it is new: earliest, latest, or 2h ago.'
    """
    return {"$schema": DIALECT, **Settings.model_json_schema()}


def schema_text() -> str:
    """The schema as indented JSON, with a newline at its end."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
