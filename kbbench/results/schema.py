"""The JSON Schema of ``summary.json``, for readers that are not in Python."""

from __future__ import annotations

import json

from kbbench.results.summary import FORMAT, Summary


def schema_text() -> str:
    """JSON Schema, draft 2020-12, of the summary's format that this version writes."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"kbbench-summary-{FORMAT}",
        **Summary.model_json_schema(mode="serialization"),
        "description": f"summary.json of a kbbench run, format {FORMAT}.",
    }
    return json.dumps(schema, indent=1) + "\n"
