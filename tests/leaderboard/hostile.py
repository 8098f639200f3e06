"""Text that wants to be more than text, and submissions that have it wherever text may stand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from kbbench.audit import Finding
from kbbench.audit.result import Longest
from kbbench.leaderboard.submission import Submission

TEXTS = (
    "<script>hacked = 1</script>",
    '"><img src=x onerror="hacked = 1">',
    "</script></textarea></title><script>hacked = 1</script>",
    "&lt;script&gt;hacked = 1&lt;/script&gt; &amp;<img src=x onerror='hacked = 1'>",
    "javascript:hacked=1",
    "{{ 7 * 7 }}{% raw %}",
    "\u202etxet desrever\u2066 \x00\x1b[31m\ufeff",
    "a | b ` [c](javascript:hacked=1) ![d](https://example.org/x.png) **e** https://example.org",
    '=HYPERLINK("https://example.org","x") \r\n@SUM(1)\t-1+1',
    "__proto__",
)
KEPT = {"condition", "headline_condition", "fact", "split"}
"""Fields whose texts hold a submission together."""


def poisoned(model: Any, text: str, field: str = "") -> Any:
    """The same model with a text in place of every free one, past all checks."""
    if isinstance(model, Submission):
        kept = {"scores": model.scores, "samples": model.samples}
        return _poisoned_fields(model, text).model_copy(update=kept)
    if isinstance(model, BaseModel):
        return _poisoned_fields(model, text)
    if isinstance(model, dict):
        free = all(isinstance(value, str) for value in model.values())
        return {text: text} if free else {k: poisoned(v, text, field) for k, v in model.items()}
    if isinstance(model, (list, tuple)):
        return type(model)(poisoned(item, text, field) for item in model)
    return text if isinstance(model, str) else model


def _poisoned_fields(model: BaseModel, text: str) -> Any:
    update = {}
    for name, info in type(model).model_fields.items():
        # Fields of one word out of a few cannot hold anything else, whoever wrote the file.
        if name not in KEPT and not str(info.annotation).startswith("typing.Literal"):
            update[name] = poisoned(getattr(model, name), text, name)
    return model.model_copy(update=update)


def full(submission: Submission) -> Submission:
    """The same with something in every place that may be empty."""
    finding = Finding(probe="p", part="p", severity="warning", what="w", look_for="l", unit="u")
    summary, cost = submission.summary, submission.cost
    figures = dict(cost.models["device"].figures)
    figures["state_bytes"] = figures["state_bytes"].model_copy(update={"note": "n"})
    device = cost.models["device"].model_copy(update={"figures": figures})
    return submission.model_copy(
        update={
            "paper": "https://example.org/paper",
            "code": "https://example.org/code",
            "card": "c",
            "audit": submission.audit.model_copy(
                update={
                    "findings": (finding,),
                    "notes": ("n",),
                    "longest": (Longest(part="small", seconds=60.0),),
                }
            ),
            "cost": cost.model_copy(update={"models": {**cost.models, "device": device}}),
            "summary": summary.model_copy(
                update={
                    "honesty": summary.honesty.model_copy(update={"failures": ("f",)}),
                    "triple": summary.triple.model_copy(
                        update={"imports_sha256": {"i": "i"}, "files_sha256": {"f": "f"}}
                    ),
                }
            ),
        }
    )


def with_channel(submission: Submission, name: str) -> Submission:
    """The same, run over one more channel, which is called as its user likes."""
    summary = submission.summary
    last = summary.condition("boosted@6").model_copy(
        update={"condition": name, "delay_chunks": None}
    )
    gaps = {**summary.gap_closed, name: summary.gap_closed["boosted@6"]}
    more = {"conditions": [*summary.conditions, last], "gap_closed": gaps}
    return submission.model_copy(update={"summary": summary.model_copy(update=more)})
