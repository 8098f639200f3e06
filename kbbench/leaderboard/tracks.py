"""Tracks: what may be ranked together, and which data is official."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kbbench.leaderboard.submission import Submission
from kbbench.models.contract import Task
from kbbench.units import OFFICIAL_DELAYS

Link = Literal["owned", "opaque"]
"""Who moves the hints in time: kbbench, or the model itself, whose delay nothing proves."""


@dataclass(frozen=True)
class Budget:
    """A class of devices, by MACs a chunk of 8 ms (125 chunks a second)."""

    name: str
    most_macs: float
    reason: str


BUDGETS = (
    Budget("micro", 1e6, "up to 1 M: 0.125 GMAC/s, a microcontroller with vector instructions"),
    Budget(
        "small",
        5e6,
        "up to 5 M: 0.6 GMAC/s, a hearable's DSP or neural core; the devices of Srinivas et al. "
        "2024 need 2 to 4 M",
    ),
    Budget("medium", 25e6, "up to 25 M: 3 GMAC/s, glasses, or one small core of a phone"),
    Budget("large", float("inf"), "over 25 M: a phone or a car, where a remote model gains least"),
)
UNSTATED = Budget(
    "unstated", float("inf"), "MACs that cannot be counted, such as a compiled file's"
)

SPLIT = "test"
OFFICIAL_DATA: dict[tuple[str, int], str] = {
    ("mini-enhancement", 2): "273d3889ec13a03ab35744bee4943ee5c34b98b8a4e9e416375e16362d07a323",
    ("mini-separation", 2): "84d98a54f468e0fd69901b9e4d4e9d623314a3eb364f1b6bff79c0b9fc8370be",
    ("mini-target-speech", 2): "d374e22ff66dcecc57a33c37ed8c26acd0499a06b1fac5652f69eb8457f09b97",
}
"""data_sha256 of recipes whose corpus comes with kbbench, by name and version. Of the others, rows
of different data are in different tracks."""
SCORED_CONDITIONS = tuple(f"boosted@{delay}" for delay in OFFICIAL_DELAYS)
"""Those whose mean improvement ranks a row."""
NEEDED_CONDITIONS = ("mixture", "small", "large", *SCORED_CONDITIONS)


@dataclass(frozen=True, order=True)
class Track:
    """Rows that are ranked against each other, and against no other."""

    task: Task
    recipe: str
    recipe_version: int
    link: Link
    budget: str
    data_sha256: str

    @property
    def title(self) -> str:
        """One line."""
        link = "" if self.link == "owned" else ", opaque link"
        return (
            f"{self.task.replace('_', ' ')}: {self.recipe} version {self.recipe_version}, "
            f"{self.budget} device{link}"
        )

    @property
    def slug(self) -> str:
        """Its name in addresses."""
        words = (self.recipe, f"v{self.recipe_version}", self.budget, self.link)
        return "-".join((*words, self.data_sha256[:8]))


def track_of(submission: Submission) -> Track:
    """Where a submission belongs."""
    data = submission.summary.data
    return Track(
        task=submission.summary.triple.task,
        recipe=data.recipe,
        recipe_version=data.recipe_version,
        link="opaque" if submission.summary.triple.opaque_link else "owned",
        budget=budget_of(device_macs(submission)).name,
        data_sha256=data.data_sha256 or "",
    )


def device_macs(submission: Submission) -> float | None:
    """MACs a chunk of the boosted model's part on the device; None where they are not counted."""
    price = submission.summary.price
    return None if price is None else price.macs("device")


def budget_of(macs: float | None) -> Budget:
    """The class of a device.

    >>> budget_of(2.7e6).name, budget_of(None).name
    ('small', 'unstated')
    """
    if macs is None:
        return UNSTATED
    return next(budget for budget in BUDGETS if macs <= budget.most_macs)
