"""Mixture after mixture over the link, each kept as soon as it is through: a kill loses one.

```
live/00000.npz      of each mixture, until the run is scored: estimates, times, and the record
live-trace.json     when each hint arrived: `--channel trace:file=live-trace.json` replays it
live.parquet        one row a mixture and chunk: every time and size
live.json           percentiles and counts
```
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kbbench.channel.recording import Recording
from kbbench.errors import ModelError, one_line
from kbbench.files import write_parquet, write_text
from kbbench.live.clock import Offset, make_clock, prompt_threads
from kbbench.live.connection import Offer, Target
from kbbench.live.device import Lived, LiveDevice
from kbbench.live.figures import Clocks, LiveFigures, figures
from kbbench.live.handshake import Identity
from kbbench.live.link import Link
from kbbench.live.parts import Arrays, Kept, part_path, read_part, write_part
from kbbench.live.record import TIMES
from kbbench.live.samples import CODINGS
from kbbench.live.settings import LiveSettings
from kbbench.models.contract import Boosted
from kbbench.models.loading import LoadedTriple
from kbbench.pool import Progress
from kbbench.runner import read_batch
from kbbench.scenes.dataset import Mixture

TRACE, TABLE, FIGURES = "live-trace.json", "live.parquet", "live.json"
EARS = 2


@dataclass(frozen=True)
class LivePhase:
    """The live part of a run.

    Args:
        loaded: the triple.
        mixtures: to stream, in order.
        settings: how.
        data_sha256: of the dataset.
        out: the run's folder.
    """

    loaded: LoadedTriple
    mixtures: Sequence[Mixture]
    settings: LiveSettings
    data_sha256: str
    out: Path

    @property
    def complete(self) -> bool:
        """All mixtures are through, and what they were is written."""
        return (self.out / FIGURES).is_file()

    def link(self, target: Target) -> Link:
        """A link for this triple; not open yet."""
        identity = Identity.of(self.loaded, self.settings.delay_chunks)
        offer = Offer(identity, EARS, self.settings.audio)
        return Link(target, offer, self.loaded.triple.lookahead)

    def stream(self, target: Target, progress: Progress = lambda done, total: None) -> None:
        """Stream what is missing, and write what all of it was.

        Raises:
            InputError: no remote, another one, or a sample that the coding does not hold.
            ModelError: a model raised, or broke the contract.
        """
        total = len(self.mixtures)
        missing = [n for n in range(total) if not part_path(self.out, n).is_file()]
        done = total - len(missing)
        progress(done, total)
        if missing:
            with prompt_threads(), _one_thread(), self.link(target) as link:
                offset, connections = Offset(link.met.same_machine), 0
                for index in missing:
                    lived = self._stream(link, offset, self.mixtures[index])
                    self._keep(index, lived, link, offset, link.connections - connections)
                    connections, done = link.connections, done + 1
                    progress(done, total)
        if missing or not self.complete:
            self._conclude()

    def _stream(self, link: Link, offset: Offset, mixture: Mixture) -> Lived:
        """One mixture over the link."""
        batch = read_batch([mixture])
        enrollment = None if batch.enrollment is None else batch.enrollment[0]
        for sound in (batch.mixture[0], enrollment):
            if sound is not None:
                CODINGS[self.settings.audio].check(f"mixture {mixture.id}", sound.numpy())
        boosted = self.loaded.boosted_at(self.settings.delay_chunks)
        assert isinstance(boosted, Boosted), "checked before the run"
        triple = self.loaded.triple
        device = LiveDevice(
            boosted.device,
            link,
            make_clock(self.settings.clock, triple.lookahead),
            offset,
            triple.lookahead,
            triple.hint_dtype,
            self.settings.oldest_chunks,
        )
        try:
            return device.run(batch.mixture[0], enrollment)
        except ModelError as error:
            message = f"{self.loaded.path}: live: {one_line(error)} on mixture {mixture.id}"
            raise ModelError(message) from error

    def _keep(self, index: int, lived: Lived, link: Link, offset: Offset, connections: int) -> None:
        ended = lived.ended
        kept = Kept(
            recorded=lived.recorded,
            counts={
                "frames_unsent": lived.unsent,
                "frames_dropped": ended.dropped_frames if ended else 0,
                "frames_late": ended.late_frames if ended else 0,
                "hints_dropped": ended.dropped_hints if ended else 0,
                "connections": connections,
                "restarts": lived.restarts,
            },
            one_clock=offset.same,
            offset_ns=offset.ns,
            bound_ns=offset.bound_ns,
            batch=link.met.welcome.batch,
            torch=link.met.welcome.torch,
        )
        arrays: Arrays = {
            "estimates": lived.estimates,
            "seen": lived.seen,
            "bytes_up": lived.bytes_up,
            "bytes_down": lived.bytes_down,
            **lived.times,
        }
        write_part(self.out, index, arrays, kept)

    def _conclude(self) -> None:
        """Write trace, table and figures of all mixtures; the figures last."""
        names = [mixture.id for mixture in self.mixtures]
        parts = [read_part(self.out, index) for index in range(len(names))]
        kept = [record for _, record in parts]
        recording = Recording(
            delay_chunks=self.settings.delay_chunks,
            oldest_chunks=self.settings.oldest_chunks,
            file_sha256=self.loaded.file_sha256,
            weights_sha256=self.loaded.weights_sha256([self.settings.delay_chunks]),
            data_sha256=self.data_sha256,
            mixtures=dict(zip(names, (record.recorded for record in kept), strict=True)),
        )
        tables = [_table(name, arrays) for name, (arrays, _) in zip(names, parts, strict=True)]
        table = pd.concat(tables, ignore_index=True)
        found = figures(
            table,
            self.settings.definition,
            [record.counts for record in kept],
            Clocks(
                one=all(record.one_clock for record in kept),
                offset_ms=round(kept[-1].offset_ns / 1e6, 6),
                bound_ms=round(kept[-1].bound_ns / 1e6, 6),
            ),
            batch=max(record.batch for record in kept),
            torch=kept[-1].torch,
            network_source="" if self.settings.network is None else self.settings.network.source,
        )
        write_text(self.out / TRACE, recording.model_dump_json() + "\n")
        write_parquet(self.out / TABLE, table)
        write_text(self.out / FIGURES, found.model_dump_json(indent=1) + "\n")


def read_figures(out: Path) -> LiveFigures | None:
    """The figures of a run folder, if it is of a live run."""
    try:
        return LiveFigures.model_validate_json((out / FIGURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _table(name: str, arrays: Arrays) -> pd.DataFrame:
    columns = {key: arrays[key] for key in ("seen", *TIMES, "bytes_up", "bytes_down")}
    return pd.DataFrame({"mixture": name, "chunk": np.arange(len(arrays["seen"])), **columns})


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for each operation within: as the harness offline, the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
