"""What came out of a search, for people: ``python -m lightning_sweeps.report``."""

from lightning_sweeps.report.of_parameters import import_importances
from lightning_sweeps.report.write import write_report

__all__ = ["import_importances", "write_report"]
