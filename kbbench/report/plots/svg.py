"""What all plots share: one look, and text that repeats."""

from __future__ import annotations

import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

SIZE_INCH = (7.2, 4.2)


def blank(x_label: str, y_label: str) -> tuple[Canvas, Axes]:
    """A canvas with one pair of axes."""
    canvas = Canvas(figsize=SIZE_INCH, layout="constrained")
    axes = canvas.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return canvas, axes


def legend(axes: Axes) -> None:
    """What is what, beside the plot."""
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def plain(text: str) -> str:
    """A name of the user's: a dollar is no formula."""
    return text.replace("$", r"\$")


def inline(text: str) -> str:
    """A plot as it stands within a page: without the head of a file; empty where there is none."""
    return text[text.index("<svg") :] if text else ""


def svg_text(canvas: Canvas) -> str:
    """The plot as SVG; the same plot gives the same text."""
    with matplotlib.rc_context({"svg.hashsalt": "kbbench", "svg.fonttype": "none"}):
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "kbbench"})
    return buffer.getvalue()
