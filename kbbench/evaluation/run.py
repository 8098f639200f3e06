"""What a run is: everything that decides its figures, and the hash of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kbbench import __version__, metrics
from kbbench.channel import Channel, fixed, link_statistics, off, trace
from kbbench.errors import InputError
from kbbench.live.phase import TRACE, LivePhase
from kbbench.live.settings import LiveSettings
from kbbench.models.contract import Opaque, Streaming
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.results.facts import DataFacts, TripleFacts
from kbbench.results.summary import Link
from kbbench.runner import Condition, find_device, hint_kbit_per_s
from kbbench.scenes.dataset import Dataset, Mixture
from kbbench.scenes.recipe import canonical_json
from kbbench.units import HEADLINE_DELAY, chunk_count

LIVE = "boosted@live"
"""The condition in which device and remote ran apart."""


@dataclass(frozen=True)
class Run:
    """Everything that decides a run's figures.

    Args:
        loaded: the triple.
        dataset: the mixtures.
        split: which of them.
        delays: of the sweep, in chunks, ascending; 0, the ideal link, is always among them.
        channels: further links, random ones.
        device: where models compute: cpu or cuda.
        audited: the triple is audited before it runs.
        extras: metrics beside the suite.
        live: device and remote also run apart, like this.
        out: the run's folder, where it is live: what came over the link lies there.
    """

    loaded: LoadedTriple
    dataset: Dataset
    split: str
    delays: tuple[int, ...]
    channels: tuple[Channel, ...] = ()
    device: str = "cpu"
    audited: bool = True
    extras: metrics.Extras = field(default_factory=metrics.Extras)
    live: LiveSettings | None = None
    out: Path | None = field(default=None, compare=False)

    @property
    def headline(self) -> int:
        """The delay of the headline figure: 48 ms, or the longest there is."""
        return HEADLINE_DELAY if HEADLINE_DELAY in self.delays else max(self.delays)

    @cached_property
    def mixtures(self) -> list[Mixture]:
        """The mixtures, in order."""
        return list(self.dataset.mixtures(self.split))

    @property
    def asked_delays(self) -> list[int]:
        """Delays that ``triple.boosted`` is asked for, in chunks."""
        live = [] if self.live is None else [self.live.delay_chunks]
        return [*self.delays, *(channel.delay_chunks for channel in self.channels), *live]

    @cached_property
    def opaque_link(self) -> bool:
        """The boosted model moves its hints itself; the run is marked, and ranked apart."""
        return self.loaded.opaque_link(self.asked_delays)

    @property
    def conditions(self) -> list[Condition]:
        """Small and large, boosted at each delay and through each channel, and the controls.

        A model that moves its hints itself has no controls: no other hints can be handed to it.
        """
        boosted = [Condition(f"boosted@{d}", "boosted", fixed(d)) for d in self.delays]
        boosted += [Condition(f"boosted@{c.name}", "boosted", c) for c in self.channels]
        if self.live is not None:
            boosted.append(Condition(LIVE, "boosted", live=True))
        controls = []
        if not self.opaque_link:
            controls.append(Condition("boosted@off", "boosted", off(self.headline)))
        if not self.opaque_link and len(self.mixtures) > 1:
            link = fixed(self.headline)
            controls.append(Condition("boosted@other-hints", "boosted", link, other_hints=True))
        return [Condition("small", "small"), Condition("large", "large"), *boosted, *controls]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a run's figures depend on; its hash names the run."""
        triple = self.loaded.triple
        live = {} if self.live is None else {"live": self.live.definition}
        return {
            **live,
            "data_sha256": self.dataset.header.data_sha256,
            "split": self.split,
            "audited": self.audited,
            "conditions": [condition.name for condition in self.conditions],
            "channels": [dict(channel.definition) for channel in self.channels],
            "file_sha256": self.loaded.file_sha256,
            "imports_sha256": self.loaded.imports_sha256,
            "files_sha256": self.loaded.files_sha256(self.asked_delays),
            "weights_sha256": self.loaded.weights_sha256(self.asked_delays),
            "hint_dtype": str(triple.hint_dtype).removeprefix("torch."),
            "device": self.device,
            "versions": versions(),
            "extras": self.extras.identity,
        }

    @property
    def sha256(self) -> str:
        """Hash of :attr:`identity`."""
        return hashlib.sha256(canonical_json(self.identity).encode()).hexdigest()

    def link(self, condition: Condition) -> Link | None:
        """What the condition's link does to the hints of all mixtures; None where it has none."""
        channel = trace(self.live_phase.out / TRACE) if condition.live else condition.channel
        if channel is None:
            return None
        found = link_statistics(
            channel.seen_by(mixture.id, chunk_count(mixture.row["samples"]))
            for mixture in self.mixtures
        )
        return Link.of(found, channel.delay_chunks)

    @cached_property
    def replayed(self) -> dict[str, dict[str, str]]:
        """By condition and mixture, the hash of what a device wrote live.

        Of those that replay a recording of this very triple and data, step by step.
        """
        found = {}
        for condition in self.conditions:
            channel = condition.channel
            if channel is None or channel.recording is None or not channel.streamed:
                continue
            recording, delays = channel.recording, [channel.delay_chunks]
            if (
                recording.file_sha256 == self.loaded.file_sha256
                and recording.data_sha256 == self.dataset.header.data_sha256
                and recording.weights_sha256 == self.loaded.weights_sha256(delays)
            ):
                found[condition.name] = recording.hashes
        return found

    @property
    def live_phase(self) -> LivePhase:
        """The live part of the run; it has one."""
        assert self.live is not None and self.out is not None
        data_sha256 = self.dataset.header.data_sha256 or ""
        return LivePhase(self.loaded, self.mixtures, self.live, data_sha256, self.out)

    def facts_of_triple(self, hint_bits_per_chunk: int) -> TripleFacts:
        """What a summary says of the triple."""
        triple = self.loaded.triple
        return TripleFacts(
            name=triple.name,
            task=triple.task,
            oracle=triple.oracle,
            lookahead_samples_declared=triple.lookahead,
            hint_dtype=self.identity["hint_dtype"],
            opaque_link=self.opaque_link,
            hint_kbit_per_s=None if self.opaque_link else hint_kbit_per_s(hint_bits_per_chunk),
            file=self.loaded.path.name,
            file_sha256=self.loaded.file_sha256,
            imports_sha256=self.loaded.imports_sha256,
            files_sha256=self.identity["files_sha256"],
            weights_sha256=self.identity["weights_sha256"],
        )

    def facts_of_data(self) -> DataFacts:
        """What a summary says of the data."""
        header = self.dataset.header
        return DataFacts(
            recipe=header.recipe.name,
            recipe_version=header.recipe.version,
            recipe_sha256=header.recipe_sha256,
            corpus_sha256=header.corpus_sha256,
            plan_sha256=header.plan_sha256,
            data_sha256=header.data_sha256,
            split=self.split,
            mixtures=len(self.mixtures),
        )


def versions() -> dict[str, str]:
    """Versions that can move a figure."""
    packages = {name: version(name) for name in ("numpy", "torch")}
    return {"kbbench": __version__, **packages, **metrics.versions()}


def prepare(
    model: Path,
    data: Path,
    split: str,
    delays: Sequence[int],
    channels: Sequence[Channel] = (),
    device: str = "cpu",
    audited: bool = True,
    extras: metrics.Extras | None = None,
    live: LiveSettings | None = None,
    out: Path | None = None,
) -> Run:
    """Open the data and load the model.

    Args:
        model: a file that defines ``triple()``.
        data: a dataset folder.
        split: which of its mixtures.
        delays: of the sweep, in chunks.
        channels: further links; those of a fixed delay join the sweep, and ``off`` is a control of
            every run.
        device: where models compute: cpu or cuda.
        audited: audit the triple before it runs; else the run is marked, and does not rank.
        extras: metrics beside the suite.
        live: device and remote also run apart, like this.
        out: the run's folder, where it is live.

    Raises:
        InputError: something is wrong with either, the split is empty, there is no such device,
            two channels have one name, one is random and the triple's link is opaque, or an extra
            metric lacks its package or file.
    """
    find_device(device)
    extras = extras or metrics.Extras()
    extras.check()
    swept = [channel.delay_chunks for channel in channels if channel.kind == "fixed"]
    others = [channel for channel in channels if channel.kind not in ("fixed", "off")]
    names = [channel.name for channel in others]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--channel {twice[0]}: given twice, or two files of one name; rename one")
    dataset = Dataset.open(data)
    run = Run(
        loaded=load_triple(model, dataset.header.recipe.task),
        dataset=dataset,
        split=split,
        delays=tuple(sorted({0, *delays, *swept})),
        channels=tuple(others),
        device=device,
        audited=audited,
        extras=extras,
        live=live,
        out=out,
    )
    loose = [channel for channel in channels if channel.kind != "fixed"]
    if run.opaque_link and loose:
        name = loose[0].kind if loose[0].never else loose[0].name
        raise InputError(
            f"--channel {name}: the link of {model} is opaque, one forward(mixture, delay) that "
            "runs at fixed delays alone; leave --channel out"
        )
    if not run.mixtures:
        raise InputError(f"{data}: no mixture in split {split}; evaluate a split that has some")
    for channel in run.channels:
        if channel.recording is not None:
            for mixture in run.mixtures:  # one that was not recorded is told now, not in hours
                channel.seen_by(mixture.id, chunk_count(mixture.row["samples"]))
    if live is not None:
        _check_live(run, live)
    return run


def _check_live(run: Run, live: LiveSettings) -> None:
    """The triple can run live, which everything else of a run does not need."""
    if run.device != "cpu":
        raise InputError(f"--live: the device part runs on a CPU, not on --device {run.device}")
    if run.loaded.triple.oracle:
        raise InputError("--live: an oracle is given the reference, which no link carries")
    boosted = run.loaded.boosted_at(live.delay_chunks)
    if isinstance(boosted, Opaque):
        raise InputError("--live: the link is inside the model; there is none to run live")
    for part, model in vars(boosted).items():
        if not isinstance(model, Streaming):
            raise InputError(
                f"--live: {part} of {run.loaded.path} has no streaming form; define "
                "start(batch, enrollment) and step(frame, state, ...)"
            )
