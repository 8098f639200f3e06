"""Plots as SVG text, and spectrograms; the same figures give the same text."""

from kbbench.report.plots.improvement import improvement_svg
from kbbench.report.plots.live import ages_svg, waterfall_svg
from kbbench.report.plots.runs import cost_svg, gap_svg
from kbbench.report.plots.spectrogram import spectrogram_png

__all__ = [
    "ages_svg",
    "cost_svg",
    "gap_svg",
    "improvement_svg",
    "spectrogram_png",
    "waterfall_svg",
]
