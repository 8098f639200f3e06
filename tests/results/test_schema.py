"""The schema that is published is the one that summaries keep to."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from kbbench.results.schema import schema_text
from kbbench.results.summary import Summary
from tests.report.test_page import summary

DOCS = Path(__file__).parents[2] / "docs"


def test_the_published_schema_is_this_version_s() -> None:
    """Made by `kbbench schema > docs/summary.schema.json`."""
    assert (DOCS / "summary.schema.json").read_text(encoding="utf-8") == schema_text()


def test_a_summary_keeps_to_it_and_a_broken_one_does_not() -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads(summary().model_dump_json())
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError, match="unknown"):
        jsonschema.validate({**content, "unknown": 1}, schema)
    content["conditions"][0]["figures"]["si_sdr"]["value"] = "high"
    with pytest.raises(jsonschema.ValidationError, match="high"):
        jsonschema.validate(content, schema)


def test_a_summary_of_the_first_format_still_loads() -> None:
    """Written by kbbench 0.1.0 at commit 22d458c: passthrough.py, three mixtures of two seconds."""
    text = (Path(__file__).parent / "summary-format-1.json").read_text(encoding="utf-8")
    old = Summary.model_validate_json(text)
    assert old.format == 1 and old.price is None and old.hardware is None
    assert old.condition("boosted@6").figures["si_sdr_i"].value == pytest.approx(0, abs=1e-4)
