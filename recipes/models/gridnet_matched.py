"""As gridnet.py, with a small model of as many parameters as the boosted device.

The networks are in kbbench.baselines, their weights come with kbbench; `kbbench train` trains them.
Hints: (B, K, 97, 16), the features that the large network's decoder reads, in each bin.
"""

from kbbench.baselines.triples import shipped
from kbbench.models import Triple


def triple(task: str = "separation") -> Triple:
    """The reference weights for a task."""
    return shipped(task, "boosted", small="baseline")
