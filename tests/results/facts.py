"""Facts for summaries that no run made."""

from __future__ import annotations

from kbbench.results.facts import DataFacts, TripleFacts

TRIPLE = TripleFacts(
    name="test triple",
    task="enhancement",
    oracle=False,
    lookahead_samples_declared=64,
    hint_dtype="float16",
    hint_kbit_per_s=12.5,
    file="model.py",
    file_sha256="cd" * 32,
    imports_sha256={},
    weights_sha256="ef" * 32,
)
DATA = DataFacts(
    recipe="r",
    recipe_version=1,
    recipe_sha256="01" * 32,
    corpus_sha256="23" * 32,
    plan_sha256="45" * 32,
    data_sha256="67" * 32,
    split="test",
    mixtures=2,
)
