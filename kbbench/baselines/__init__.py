"""Reference triples: models from published descriptions, and what trains them."""

from kbbench.baselines.config import Boosting, GridNetConfig
from kbbench.baselines.gridnet import GridNet, RemoteGridNet

__all__ = ["Boosting", "GridNet", "GridNetConfig", "RemoteGridNet"]
