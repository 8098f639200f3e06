"""kbbench: the benchmark for knowledge boosting, small speech models helped by late hints."""

__version__ = "0.1.0"
