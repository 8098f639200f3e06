"""TF-GridNet with delayed output: the remote's late estimate is further input.

The networks are in kbbench.baselines, their weights come with kbbench; `kbbench train` trains them.
Hints: (B, K, 97, 4 S), the spectrum of the S estimates at two ears, by the level of the mixture.
"""

from kbbench.baselines.triples import shipped
from kbbench.models import Triple


def triple(task: str = "separation") -> Triple:
    """The reference weights for a task."""
    return shipped(task, "output")
