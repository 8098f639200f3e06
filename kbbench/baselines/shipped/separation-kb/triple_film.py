"""A triple trained in this folder; evaluate it with `kbbench evaluate`."""

from pathlib import Path

from kbbench.baselines.triples import trained
from kbbench.models import Triple


def triple() -> Triple:
    """Its networks, hints by way of film."""
    return trained(Path(__file__).parent, "separation", "film")
