"""What an audit says: findings, and the look-aheads and streams that it measured."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, computed_field, model_validator

Severity = Literal["failure", "warning"]
Verdict = Literal["honest", "refused", "oracle"]
FORMAT = 1
"""Of the JSON text; raised whenever a field changes its meaning."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(_Part):
    """One thing that is wrong.

    Args:
        probe: the family of probes that found it: look-ahead, hints, side road, ...
        part: small, large, device, remote or boosted (remote, link and device together).
        severity: a failure refuses the triple, a warning does not.
        what: what was done, and what came of it; one sentence.
        look_for: what to look for in the code; one sentence.
        measured: the number, in ``unit``; None where there is none, or it is not finite.
        at_sample: first offending sample of the output.
        at_chunk: first offending chunk of the output.
    """

    probe: str
    part: str
    severity: Severity = "failure"
    what: str
    look_for: str
    measured: float | None = None
    unit: str | None = None
    at_sample: int | None = None
    at_chunk: int | None = None


class LookAhead(_Part):
    """How far past the end of a chunk an output was seen to depend on the input.

    Args:
        part: the model.
        output: estimates or hints.
        samples: measured; 0 where nothing after the chunk matters; None where it cannot be told.
        declared: the most that is allowed.
        to_the_end: the look-ahead reaches the end of the input, however long that is.
    """

    part: str
    output: str
    samples: int | None
    declared: int
    to_the_end: bool = False


class Streams(_Part):
    """Whether a part has the streaming form, and how far that is from ``forward``.

    Args:
        part: the model.
        streams: it has ``start`` and ``step``, and they give what ``forward`` gives.
        difference: the largest, as a share of the output's peak; None where not measured.
    """

    part: str
    streams: bool
    difference: float | None = None


class Longest(_Part):
    """The longest input that a part was given; it has less than ten minutes where that is slow."""

    part: str
    seconds: float


class Audit(_Part):
    """The result of an audit, one part of ``summary.json``.

    Args:
        triple: its name.
        task: its task.
        file_sha256: of the user's file.
        delays: chunks; those whose boosted models were audited.
        findings: what is wrong, failures first.
        lookahead: measured, one for each part and output.
        streaming: one for each part.
        longest: one for each part.
        oracle: the models are given the answer, so nothing was audited.
        notes: what could not be done, and why.
    """

    format: int = FORMAT
    triple: str
    task: str
    file_sha256: str
    delays: tuple[int, ...]
    findings: tuple[Finding, ...] = ()
    lookahead: tuple[LookAhead, ...] = ()
    streaming: tuple[Streams, ...] = ()
    longest: tuple[Longest, ...] = ()
    oracle: bool = False
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_its_own_json(cls, given: Any) -> Any:
        """The verdict follows from the findings, whatever a file says that it is."""
        if isinstance(given, dict):
            return {key: value for key, value in given.items() if key != "verdict"}
        return given

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """Honest: nothing failed. Refused: something did. Oracle: not audited, never ranks."""
        if self.oracle:
            return "oracle"
        return "refused" if self.failures else "honest"

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that refuse the triple."""
        return tuple(finding for finding in self.findings if finding.severity == "failure")


Item = Finding | LookAhead | Streams | Longest | str
"""What a probe yields, one at a time, so that a model that breaks loses nothing; text is a note."""
