"""A run on a cluster: the same bytes, and never another model's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbbench.channel import parse_channel
from kbbench.errors import InputError
from kbbench.evaluation import evaluate, prepare
from kbbench.evaluation.batches import listened
from kbbench.scenes.dataset import Dataset

Data = Callable[[str], Dataset]
Example = Callable[[str], Path]
DELAYS = (6,)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same_run(
    cluster: str, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data, model = tiny_dataset("enhancement").folder, tmp_path / "model.py"
    model.write_text(example("oracle").read_text(encoding="utf-8"), encoding="utf-8")
    channels = [parse_channel("jitter:mean_ms=24,std_ms=8")]
    prepared = prepare(model, data, "test", DELAYS, channels, audited=False)
    evaluate(prepared, tmp_path / "here", workers=2, batch_size=2)
    evaluate(prepared, tmp_path / "there", cluster, batch_size=2)
    names = [
        "summary.json",
        "scores.parquet",
        *(str(path.relative_to(tmp_path / "here")) for path in tmp_path.glob("here/audio/*/*")),
    ]
    kept = len(listened(prepared.mixtures))
    assert kept and len(names) == 2 + kept * (1 + 4)
    for name in names:
        here, there = ((tmp_path / run / name).read_bytes() for run in ("here", "there"))
        assert here == there, name
    model.write_text(model.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="another run in a worker"):
        evaluate(prepared, tmp_path / "changed", cluster, batch_size=2)
    assert not (tmp_path / "changed").exists()
