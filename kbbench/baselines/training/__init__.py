"""Training of the reference triples: data, loss, loop, checkpoints."""

from kbbench.baselines.training.clips import Data, joined, open_data
from kbbench.baselines.training.decoded import decoded_in
from kbbench.baselines.training.loop import train
from kbbench.baselines.training.run import Outcome
from kbbench.baselines.training.settings import Settings

__all__ = ["Data", "Outcome", "Settings", "decoded_in", "joined", "open_data", "train"]
