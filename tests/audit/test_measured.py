"""Numbers that are known in closed form are what the audit measures, and says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kbbench.audit import Audit, Finding

Audited = Callable[..., Audit]


def reach(audit: Audit) -> dict[tuple[str, str], int | None]:
    return {(item.part, item.output): item.samples for item in audit.lookahead}


def only(audit: Audit, probe: str) -> Finding:
    (finding,) = [finding for finding in audit.failures if finding.probe == probe]
    return finding


def test_an_honest_triple_is_honest(audited: Audited) -> None:
    audit = audited()
    assert audit.findings == ()
    assert audit.verdict == "honest"
    assert set(reach(audit).values()) == {0}
    assert {item.part: item.seconds for item in audit.longest} == {
        "small": 6,
        "large": 6,
        "device": 6,
    }


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 127, 128, 129, 1000])
def test_look_ahead_is_measured_to_the_sample(samples: int, audited: Audited) -> None:
    audit = audited(
        "def small(mixture, **given):\n"
        f"    return (mixture + 0.01 * pad(mixture, (0, {samples}))[..., {samples}:])[:, None]"
    )
    assert reach(audit)["small", "estimates"] == samples
    assert audit.verdict == ("honest" if samples <= 64 else "refused")
    if samples > 64:
        finding = only(audit, "look-ahead")
        assert (finding.part, finding.measured, finding.unit) == ("small", samples, "samples")
        assert f"look ahead {samples} samples past the chunk, declared 64" in finding.what
        assert finding.at_sample is not None
        assert finding.at_chunk == finding.at_sample // 128


def test_less_may_be_declared(audited: Audited) -> None:
    body = (
        "def small(mixture, **given):\n"
        "    return pad(mixture, (0, 9))[:, None, :, 9:]\n"
        "LOOKAHEAD = "
    )
    assert audited(body + "9").verdict == "honest"
    assert only(audited(body + "8"), "look-ahead").measured == 9


def test_what_sees_everything_reaches_the_end(audited: Audited) -> None:
    audit = audited(
        "def remote(mixture, *, enrollment=None):\n"
        "    return (mixture / (1 + mixture.abs().amax((1, 2), keepdim=True)))[:, None], "
        "power(mixture)"
    )
    (item,) = [i for i in audit.lookahead if (i.part, i.output) == ("large", "estimates")]
    assert item.to_the_end
    assert "to the end of the input" in only(audit, "look-ahead").what


def test_a_hint_from_the_future_is_the_remote_s_and_the_boosted_s(audited: Audited) -> None:
    audit = audited(
        "def remote(mixture, *, enrollment=None):\n"
        "    return mixture[:, None], power(mixture).roll(-2, 1)"
    )
    assert reach(audit)["large", "hints"] is not None
    assert {("look-ahead", "large"), ("hints", "boosted")} <= {
        (finding.probe, finding.part) for finding in audit.failures
    }
    # Two chunks early; chunk c may know 64 samples after its end, which these hints leave unused.
    assert reach(audit)["large", "hints"] in range(2 * 128 - 64, 10**6)


@pytest.mark.parametrize("early", [1, 5])
def test_a_device_that_undoes_the_delay_is_found(early: int, audited: Audited) -> None:
    audit = audited(
        "honest = device\n"
        "def device(mixture, *, hints=None, **given):\n"
        f"    return honest(mixture, hints=pad(hints, (0, 0, 0, {early}))[:, {early}:])"
    )
    (finding,) = [f for f in audit.failures if f.probe == "hints" and f.part == "device"]
    assert (finding.measured, finding.unit) == (early, "chunks")
    assert f"{early} chunks before that hint is there" in finding.what


def test_nan_alone_is_a_warning(audited: Audited) -> None:
    audit = audited(
        "def small(mixture, **given):\n"
        "    return (mixture + 0 * mixture.sum(-1, keepdim=True))[:, None]"
    )
    assert audit.verdict == "honest"
    (finding,) = audit.findings
    assert (finding.severity, finding.probe, finding.part) == ("warning", "look-ahead", "small")
    assert "no finite future does" in finding.what


def test_each_delay_s_own_model_is_audited(audited: Audited) -> None:
    body = (
        "def eager(mixture, *, hints=None, **given):\n"
        "    return device(mixture, hints=hints.roll(-1, 1))\n"
        "boosted = lambda delay: Boosted(eager if delay == 3 else device, remote)"
    )
    assert audited(body, delays=(0, 6)).verdict == "honest"
    audit = audited(body, delays=(0, 3, 6))
    assert {finding.part for finding in audit.failures} == {"device@3", "boosted@3"}
    assert audit.delays == (0, 3, 6)


def test_the_same_triple_gives_the_same_text(audited: Audited) -> None:
    body = (
        "def small(mixture, **given):\n"
        "    return (mixture - mixture.mean(-1, keepdim=True))[:, None]"
    )
    first = audited(body)
    assert first.verdict == "refused"
    assert audited(body).model_dump_json() == first.model_dump_json()
    kept = Audit.model_validate_json(first.model_dump_json(exclude={"verdict"}))
    assert kept == first
