"""The honesty audit: whether a triple could run live, by measurement."""

from kbbench.audit.result import Audit, Finding
from kbbench.audit.run import Effort, audit_triple

__all__ = ["Audit", "Effort", "Finding", "audit_triple"]
