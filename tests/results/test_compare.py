"""Runs pair by pair: closed-form differences, counts, and what cannot be told apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.evaluation import evaluate, prepare, read
from kbbench.results import FinishedRun, compare, compare_with
from kbbench.scenes.dataset import Dataset

Data = Callable[[str], Dataset]
Example = Callable[[str], Path]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Data, example: Example
) -> Callable[[str], Path]:
    """The folder of a run of an example on the tiny enhancement set, made once."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("runs") / name
            data = tiny_dataset("enhancement").folder
            run = prepare(example(name), data, "test", (0, 6), audited=False)
            evaluate(run, made[name], workers=1, batch_size=3)
        return made[name]

    return get


def shifted(run: FinishedRun, name: str, by_db: float | np.ndarray) -> FinishedRun:
    scores = run.scores.sort_values(["mixture", "condition"], ignore_index=True)
    return FinishedRun(name, run.summary, scores.assign(si_sdr_i=scores["si_sdr_i"] + by_db))


def test_a_shift_of_every_mixture_is_found_to_the_digit(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    for by_db, word in ((0.01, "better"), (-0.01, "worse")):
        for item in compare([run, shifted(run, "other", by_db)]):
            assert item.interval is not None
            assert item.interval.value == pytest.approx(by_db)
            assert item.interval.low == pytest.approx(item.interval.high)
            assert (item.word, item.scored, item.planned) == (word, 3, 3)


def test_less_of_an_error_is_better(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    for metric, by, word in (
        ("ild_error_db", -0.5, "better"),
        ("itd_error_us", 3.0, "worse"),
        ("snr", 0.5, "better"),
    ):
        scores = run.scores.assign(**{metric: run.scores[metric] + by})
        other = FinishedRun("other", run.summary, scores)
        for item in compare([run, other], metric):
            assert item.interval is not None
            assert item.interval.value == pytest.approx(by)
            assert item.word == word


def test_shifts_of_both_signs_are_not_separable(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    rows = run.scores.groupby("mixture").size().iloc[0]
    other = shifted(run, "other", np.repeat([1.0, -1.1, 0.2], rows))
    assert {item.word for item in compare([run, other])} == {"not separable"}


def test_a_missing_value_leaves_the_pair_out_and_counts(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    scores = run.scores.copy()
    scores.loc[scores["mixture"] == "test/00001", "si_sdr_i"] = np.nan
    item = compare([run, FinishedRun("holes", run.summary, scores)])[0]
    assert (item.scored, item.planned) == (2, 3)


def test_three_runs_are_three_pairs_under_every_condition(
    finished: Callable[[str], Path],
) -> None:
    runs = [read(finished(name)) for name in ("passthrough", "wiener", "oracle")]
    differences = compare(runs)
    assert {(item.first, item.second) for item in differences} == {
        ("passthrough", "wiener"),
        ("passthrough", "oracle"),
        ("wiener", "oracle"),
    }
    assert {item.condition for item in differences} == {
        item.condition for item in runs[0].summary.conditions
    } - {"mixture"}
    large = next(
        item
        for item in differences
        if (item.first, item.second, item.condition) == ("passthrough", "oracle", "large")
    )
    mean = runs[2].summary.condition("large").figures["si_sdr_i"].value
    assert large.word == "better"
    assert large.interval is not None and large.interval.value == pytest.approx(mean, abs=1e-5)


def test_bad_runs_are_told_in_a_line(
    finished: Callable[[str], Path], tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    run = read(finished("passthrough"))
    with pytest.raises(InputError, match="1 run to compare, expected two or more"):
        compare([run])
    with pytest.raises(InputError, match=r"no metric 'pesq'; try pesq_wb"):
        compare([run, run], "pesq")
    other = run.summary.model_copy(
        update={"data": run.summary.data.model_copy(update={"data_sha256": "ab"})}
    )
    with pytest.raises(InputError, match="only runs on the same mixtures can be compared"):
        compare([run, FinishedRun("other", other, run.scores)])
    with pytest.raises(InputError, match="no run there"):
        read(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(InputError, match="damaged, or of another kbbench version"):
        read(tmp_path)


def test_the_command_shows_a_table(finished: Callable[[str], Path]) -> None:
    folders = [str(finished(name)) for name in ("passthrough", "oracle")]
    result = CliRunner().invoke(main, ["compare", *folders, "--metric", "snr_i"])
    assert result.exit_code == 0
    assert "second is better" in result.output
    assert "SNR improvement in dB, higher is better" in result.output
    result = CliRunner().invoke(main, ["compare", *folders, "--metric", "itd_error_us"])
    assert result.exit_code == 0
    assert "ITD error in µs, lower is better" in result.output
    assert "passthrough (not audited, does not rank)" in result.output
    assert "3/3" in result.output


def test_runs_have_a_page(finished: Callable[[str], Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = [
        "compare",
        str(finished("passthrough")),
        str(finished("oracle")),
        "--page",
        str(page),
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    for said in (
        "Runs without MACs",
        "Gap closed over delay",
        "oracle: a bound",
        "second is better",
        "boosted@6",
    ):
        assert said in text
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2 and "is there already" in again.stderr
    assert page.read_text(encoding="utf-8") == text


def test_conditions_of_one_run_beside_one_of_them(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    boosts = run.scores["condition"].map({"boosted@0": 0.5, "boosted@6": -0.25}).fillna(0.0)
    helped = FinishedRun("own", run.summary, run.scores.assign(si_sdr_i=boosts))
    found = {item.condition: item for item in compare_with([helped], "small")}
    assert "small" not in found
    assert "mixture" not in found
    for condition, by_db, word in (
        ("boosted@0", 0.5, "better"),
        ("boosted@6", -0.25, "worse"),
        ("large", 0.0, "not separable"),
    ):
        item = found[condition]
        assert item.interval is not None
        assert (item.interval.value, item.word, item.against) == (by_db, word, "small")
        assert (item.first, item.second, item.scored) == ("own", "own", 3)


def test_conditions_of_other_runs_beside_one_of_the_first(finished: Callable[[str], Path]) -> None:
    run = read(finished("passthrough"))
    other = shifted(run, "other", 0.75)
    found = {(item.second, item.condition): item for item in compare_with([run, other], "small")}
    assert (run.name, "small") not in found
    item = found["other", "small"]
    assert item.interval is not None
    assert item.interval.value == pytest.approx(0.75)
    assert item.against is None
    with pytest.raises(InputError, match=r"no condition 'boosted@9'; it has small, .*boosted@6"):
        compare_with([run], "boosted@9")


def test_the_command_takes_one_run_against_a_condition(finished: Callable[[str], Path]) -> None:
    run = str(finished("passthrough"))
    result = CliRunner().invoke(main, ["compare", run, "--against", "small"])
    assert result.exit_code == 0, result.output
    assert "passthrough (not audited, does not rank), small" in " ".join(result.stdout.split())
    alone = CliRunner().invoke(main, ["compare", run])
    assert alone.exit_code == 2
    assert "expected two or more; to compare the conditions of one run give" in alone.stderr
