"""What must hold of a submission: each check finds what it is for, and nothing in a good one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbbench.leaderboard import problems_of, validate_folder, write_submission
from kbbench.leaderboard.scores import Column, Scores, _deflate
from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.tracks import NEEDED_CONDITIONS
from tests.leaderboard.fake import fake


def test_nothing_is_wrong_with_a_good_one(good: Submission) -> None:
    assert problems_of(good) == []
    others = [fake("Other", 1), fake("Third", 2, recipe="mini-enhancement")]
    assert problems_of(good, others) == []


@pytest.mark.parametrize("recipe", ["mini-enhancement", "mini-target-speech"])
def test_every_task_can_be_submitted(recipe: str) -> None:
    assert problems_of(fake(recipe=recipe)) == []


def test_an_opaque_link_and_an_oracle_have_their_places() -> None:
    assert problems_of(fake(opaque=True)) == []
    assert problems_of(fake(kind="bound", quality_db=20.0)) == []
    assert problems_of(fake().model_copy(update={"kind": "bound"})) == []


def with_summary(submission: Submission, **changes: Any) -> Submission:
    return submission.model_copy(update={"summary": submission.summary.model_copy(update=changes)})


def with_data(submission: Submission, **changes: Any) -> Submission:
    return with_summary(submission, data=submission.summary.data.model_copy(update=changes))


def with_figure(submission: Submission, place: int, metric: str, **changes: Any) -> Submission:
    conditions = list(submission.summary.conditions)
    figures = dict(conditions[place].figures)
    figures[metric] = figures[metric].model_copy(update=changes)
    conditions[place] = conditions[place].model_copy(update={"figures": figures})
    return with_summary(submission, conditions=conditions)


def with_scores(
    submission: Submission, change: Callable[[np.ndarray], np.ndarray], metric: str = "si_sdr"
) -> Submission:
    """Other scores, whose figures do not follow."""
    scores = submission.scores
    step = scores.metrics[metric].step
    column = Column(step=step, data=_deflate(change(scores.table(metric)).ravel(), step))
    metrics = {**scores.metrics, metric: column}
    return submission.model_copy(update={"scores": scores.model_copy(update={"metrics": metrics})})


def without_delay(submission: Submission) -> Submission:
    kept = [item for item in submission.summary.conditions if item.condition != "boosted@3"]
    return with_summary(submission, conditions=kept)


def part(submission: Submission, name: str, **changes: Any) -> Submission:
    return submission.model_copy(
        update={name: getattr(submission, name).model_copy(update=changes)}
    )


def refused(submission: Submission) -> Submission:
    honesty = submission.summary.honesty.model_copy(update={"verdict": "refused"})
    return with_summary(submission, honesty=honesty)


def half_oracle(submission: Submission) -> Submission:
    triple = submission.summary.triple.model_copy(update={"oracle": True})
    return with_summary(submission, triple=triple)


def oracle(submission: Submission) -> Submission:
    honesty = submission.summary.honesty.model_copy(update={"verdict": "oracle"})
    return with_summary(half_oracle(submission), honesty=honesty)


def far_sighted(submission: Submission) -> Submission:
    honesty = submission.summary.honesty
    lookahead = {**honesty.lookahead_samples, "small, estimates": 65}
    changed = honesty.model_copy(update={"lookahead_samples": lookahead})
    return with_summary(submission, honesty=changed)


def gap(submission: Submission) -> Submission:
    gaps = dict(submission.summary.gap_closed)
    gaps["boosted@6"] = gaps["boosted@6"].model_copy(update={"value": 0.99})
    return with_summary(submission, gap_closed=gaps)


def cheaper(submission: Submission) -> Submission:
    models = dict(submission.cost.models)
    figures = dict(models["device"].figures)
    figures["macs_per_chunk"] = figures["macs_per_chunk"].model_copy(update={"value": 1.0})
    models["device"] = models["device"].model_copy(update={"figures": figures})
    return part(submission, "cost", models=models)


def constant(table: np.ndarray) -> np.ndarray:
    table = table.copy()
    table[3] = 7.0
    return table


WRONG: dict[str, tuple[Callable[[Submission], Submission], str, str]] = {
    "audit refused it": (refused, "rank", "verdict is 'refused'"),
    "an oracle as an entry": (oracle, "rank", "expected 'honest' for an entry"),
    "half an oracle": (half_oracle, "rank", "says one thing"),
    "a delay is missing": (without_delay, "rank", "not run under boosted@3"),
    "validation split": (lambda s: with_data(s, split="validation"), "rank", "expected test"),
    "no price": (lambda s: with_summary(s, price=None), "rank", "cost was not measured"),
    "own recipe": (lambda s: with_data(s, recipe="mine"), "data", "none of kbbench's"),
    "version of tomorrow": (lambda s: with_data(s, recipe_version=99), "data", "the newest is"),
    "other data": (
        lambda s: with_data(s, data_sha256="0" * 64),
        "data",
        "is not mini-",
    ),
    "no data hash": (lambda s: with_data(s, data_sha256=None), "data", "has no hash"),
    "changed recipe": (lambda s: with_data(s, recipe_sha256="0" * 64), "data", "recipe_sha256"),
    "fewer mixtures": (lambda s: with_data(s, mixtures=99), "data", "99 mixtures"),
    "another's audit": (lambda s: part(s, "audit", file_sha256="0" * 64), "parts", "another file"),
    "another task's audit": (lambda s: part(s, "audit", task="enhancement"), "parts", "of another"),
    "a cheaper cost": (cheaper, "parts", "cost is not the one"),
    "another link's cost": (lambda s: part(s, "cost", opaque_link=True), "parts", "kind of link"),
    "looks too far": (far_sighted, "parts", "looks ahead farther"),
    "a better mean": (
        lambda s: with_figure(s, 3, "si_sdr_i", value=9.0),
        "arithmetic",
        "value 9.0",
    ),
    "a finer interval": (lambda s: with_figure(s, 3, "pesq_wb", low=1.7), "arithmetic", "low 1.7"),
    "a kinder rank": (lambda s: with_figure(s, 9, "si_sdr_i", ranked=9.9), "arithmetic", "ranked"),
    "more scored": (
        lambda s: with_figure(s, 3, "stoi", scored=10**6),
        "arithmetic",
        "scored 10000",
    ),
    "fewer planned": (lambda s: with_figure(s, 3, "stoi", planned=1), "arithmetic", "planned 1"),
    "other unit": (lambda s: with_figure(s, 3, "stoi", unit="dB"), "arithmetic", "unit dB"),
    "a wider gap": (gap, "arithmetic", "gap closed of boosted@6: value 0.99"),
    "better scores": (lambda s: with_scores(s, lambda t: t + 0.01), "arithmetic", "counted"),
    "impossible scores": (lambda s: with_scores(s, lambda t: t + 200), "plausibility", "outside"),
    "impossible PESQ": (
        lambda s: with_scores(s, lambda t: t + 9, "pesq_wb"),
        "plausibility",
        "4.7",
    ),
    "one score for all": (lambda s: with_scores(s, constant), "plausibility", "another one's"),
    "no score at all": (
        lambda s: with_scores(s, lambda t: np.full_like(t, np.nan)),
        "plausibility",
        "not one mixture",
    ),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_found(name: str, good: Submission) -> None:
    change, check, text = WRONG[name]
    found = problems_of(change(good))
    assert any(one.check == check and text in one.text for one in found), found


def test_better_than_the_oracle_is_not_possible(good: Submission) -> None:
    low, high = (fake("Oracle", 5, kind="bound", quality_db=level) for level in (4.0, 20.0))
    assert problems_of(good, [high]) == []
    found = problems_of(good, [low])
    assert {one.check for one in found} == {"plausibility"}
    assert "better than the oracle 'Oracle'" in found[0].text


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"name": "Fake net", "seed": 0}, "on the leaderboard already"),
        ({"name": "Unlike", "seed": 0}, "to the last one, those of 'Unlike'"),
        ({"name": "FAKE-NET", "seed": 3}, "reads like that of 'FAKE-NET'"),
        ({"name": "Fáke nèt", "seed": 3}, "reads like that of"),
    ],
)
def test_duplicates_are_found(other: dict[str, Any], text: str, good: Submission) -> None:
    found = problems_of(good, [fake(**other)])
    assert any(one.check == "duplicate" and text in one.text for one in found), found


def test_the_same_name_on_another_task_is_fine(good: Submission) -> None:
    assert problems_of(good, [fake(recipe="mini-enhancement", seed=4)]) == []


def test_a_long_list_is_cut(good: Submission) -> None:
    found = [one for one in problems_of(with_scores(good, lambda t: t + 5)) if one.check[0] == "a"]
    assert len(found) == 21
    assert found[-1].text.startswith("and ")


def test_a_folder_is_checked_file_by_file(tmp_path: Path, good: Submission) -> None:
    write_submission(good, tmp_path)
    (tmp_path / "broken.json").write_text("{")
    renamed = write_submission(fake("Other", 1), tmp_path / "elsewhere")
    renamed.rename(tmp_path / "renamed.json")
    (tmp_path / "elsewhere").rmdir()
    checks = {
        one.path.name: [problem.check for problem in one.problems]
        for one in validate_folder(tmp_path)
    }
    assert checks == {f"{good.slug}.json": [], "broken.json": ["file"], "renamed.json": ["name"]}


def test_a_file_elsewhere_is_checked_against_the_folder(tmp_path: Path, good: Submission) -> None:
    write_submission(good, tmp_path / "all")
    copy = write_submission(good, tmp_path / "mine")
    (checked,) = validate_folder(tmp_path / "all", [copy])
    assert [problem.check for problem in checked.problems] == ["duplicate", "duplicate"]


def test_conditions_are_those_of_the_issue() -> None:
    assert NEEDED_CONDITIONS[3:] == tuple(f"boosted@{delay}" for delay in range(7))
    assert set(NEEDED_CONDITIONS) <= set(fake(mixtures=3).scores.conditions)
    assert isinstance(fake(mixtures=3).scores, Scores)
