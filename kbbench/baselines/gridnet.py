"""A causal, streaming TF-GridNet for two ears, alone, boosted by hints, or writing them.

STFT of 192 / 128 samples, level taken out, cues to direction added, convolution, blocks (full band,
sub-band, perhaps attention), with hints merged between them; a mask for each estimate comes out,
which makes its spectrum, level put back. Where one talker is wanted, all are separated, and that
one is picked. A remote may have a device inside, whose estimates it hears and refines: what
comes out is between those and its own. Source as in :mod:`kbbench.baselines.layers`; cues, masks
(:mod:`kbbench.baselines.spectra`) are ours, since they are learnt from far less speech than
estimates mapped from spectra alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from kbbench.baselines.attention import Attention, Memory
from kbbench.baselines.config import EARS, GridNetConfig, Speaks
from kbbench.baselines.layers import CausalConv, FullBand, Recurrent, SubBand
from kbbench.baselines.level import Level, running_level
from kbbench.baselines.merging import AttendedHints, Context, Heard, LayerFilm
from kbbench.baselines.picking import Candidates, Picker
from kbbench.baselines.spectra import CUES, at_level, interaural, masked
from kbbench.models.stft import ChunkSTFT
from kbbench.units import LOOKAHEAD

BINS = ChunkSTFT.bins
FIRST_TRUST = 0.5
"""Of estimates that a network refines, beside its own, in what comes out at first."""
FIRST_MASKS = 0.1
"""How far masks begin from an equal share, relative to a layer's ordinary beginning."""


class State(NamedTuple):
    """All that a network remembers: (B, ...) each; talker (B, 64) or None, carry (B, S, C, 64).

    ``refined`` is that of the network inside.
    """

    level: Level
    heard: Tensor
    blocks: tuple[tuple[Recurrent, Memory | None], ...]
    merges: tuple[Context | None, ...]
    spoken: Tensor
    carry: Tensor
    talker: Tensor | None
    candidates: Candidates | None
    refined: State | None


class Separated(NamedTuple):
    """Estimates' spectra (B, T, F, S, C, 2), level taken out; features (B, T, F, E); level (B, T).

    Where one talker is wanted, S counts all that there are.
    """

    spectra: Tensor
    features: Tensor
    level: Tensor


class Made(NamedTuple):
    """Bins of the estimates, (B, S, C, T, 97, 2), real and imaginary parts; all that was separated.

    ``told`` is what a remote may send, (B, T, 97, E).
    """

    estimates: Tensor
    separated: Separated
    told: dict[Speaks, Tensor]


class Block(nn.Module):
    """Full band, sub-band and, where asked for, attention."""

    def __init__(self, config: GridNetConfig) -> None:
        super().__init__()
        size = config.features
        self.full_band = FullBand(size, config.hidden)
        self.sub_band = SubBand(size, config.hidden)
        self.attention = (
            Attention(size, config.heads, config.key, BINS, plain=False)
            if config.attention
            else None
        )

    def start(self, batch: int) -> tuple[Recurrent, Memory | None]:
        """Before the first frame."""
        memory = None if self.attention is None else self.attention.start(batch)
        return self.sub_band.start(batch, BINS), memory

    def forward(
        self, x: Tensor, state: tuple[Recurrent, Memory | None]
    ) -> tuple[Tensor, tuple[Recurrent, Memory | None]]:
        """(B, T, F, D) and the state to the same shape and the next state."""
        recurrent, memory = state
        x, recurrent = self.sub_band(self.full_band(x), recurrent)
        if self.attention is not None and memory is not None:
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            found, memory = self.attention(x, x, valid, memory)
            x = x + found
        return x, (recurrent, memory)


class GridNet(nn.Module):
    """A device: small, or boosted as its configuration says; streams exactly what it gives offline.

    Args:
        config: its shape.
    """

    def __init__(self, config: GridNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stft = ChunkSTFT()
        self.picker = Picker(config) if config.enrolled else None
        self.refined: GridNet | None = None
        inputs = 2 * EARS + CUES
        if config.boosting == "output":
            inputs += config.hint_features
        if config.refines is not None:
            inputs += 2 * config.masks * EARS
            self.refined = GridNet(config.refines).requires_grad_(False)
            self.trust = nn.Parameter(torch.full((BINS, 1, 1, 1), FIRST_TRUST))
        self.encoder = CausalConv(inputs, config.features)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.merges = nn.ModuleList(_merges(config))
        narrow = config.features // config.compression
        self.bottleneck = nn.Linear(config.features, narrow) if config.compression > 1 else None
        self.decoder = CausalConv(narrow, 2 * config.masks * EARS)
        _share_equally(self.decoder, config.masks)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """As of any module, but what was pretrained stays as it is: see ``fixed``."""
        super().requires_grad_(requires_grad)
        for part in self.fixed:
            part.requires_grad_(False)
        return self

    @property
    def fixed(self) -> list[nn.Module]:
        """The network inside, and recurrent layers of d-vectors."""
        d_vector = None if self.picker is None else self.picker.d_vector
        parts = (self.refined, None if d_vector is None else d_vector.lstm)
        return [part for part in parts if part is not None]

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Mixture (B, C, T) to estimates (B, S, C, T); hints (B, K, 97, E) as delivered."""
        made = self._hear(mixture, enrollment, hints, seen_mask, age)
        return self._sound(made.estimates, mixture.shape[-1])

    def with_all_talkers(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, and all that was separated, (B, N, C, T): what training looks at."""
        made = self._hear(mixture, enrollment, hints, seen_mask, age)
        return self._all_sound(made, mixture.shape[-1])

    def start(self, batch: int, enrollment: Tensor | None = None) -> State:
        """The state before the first chunk; an enrollment (B, 1, T_e) is encoded here, once."""
        zeros = self.decoder.conv.weight.new_zeros
        return State(
            level=Level(zeros(batch), zeros(batch)),
            heard=self.encoder.start(batch, BINS),
            blocks=tuple(_begin(block, batch) for block in self.blocks),
            merges=tuple(_begin(merge, batch) for merge in self.merges),
            spoken=self.decoder.start(batch, BINS),
            carry=zeros(batch, self.config.sources, EARS, LOOKAHEAD),
            talker=self._talker(enrollment),
            candidates=None if self.picker is None else self.picker.start(batch),
            refined=None if self.refined is None else self.refined.start(batch),
        )

    def step(
        self, frame: Tensor, state: State, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Any, ...]:
        """Frame (B, C, 192), hint (B, 97, E) and its age (B,) to a chunk (B, S, C, 128), state."""
        frames = self.stft.analyse_pairs(frame)[:, :, None]
        if hint is None or age is None:
            heard = self._unheard(frames)
        else:
            heard = self._heard(hint[:, None], (age >= 0)[:, None], age[:, None])
        made, state = self.run(frames, state, heard)
        chunk, carry = self.stft.overlap_pairs(made.estimates[:, :, :, 0], state.carry)
        return chunk, state._replace(carry=carry)

    def run(self, frames: Tensor, state: State, heard: Heard | None) -> tuple[Made, State]:
        """What comes out for frames (B, C, T, 97, 2), and the next state but for ``carry``."""
        separated, state = self.separate(frames, state, heard)
        wanted, told, level = separated
        if self.picker is not None and state.talker is not None and state.candidates is not None:
            picked, candidates = self.picker(wanted, level, state.talker, heard, state.candidates)
            wanted = picked.spectra[:, :, :, None]
            told = torch.cat([told, picked.share[..., None]], dim=-1)
            state = state._replace(candidates=candidates)
        sent: dict[Speaks, Tensor] = {"features": told, "estimate": wanted.flatten(3)}
        return Made(at_level(wanted, level), separated, sent), state

    def separate(
        self, frames: Tensor, state: State, heard: Heard | None
    ) -> tuple[Separated, State]:
        """All talkers of frames (B, C, T, 97, 2), also where one of them is wanted."""
        scale, level = running_level(frames, state.level)
        spectra = (frames / scale[:, None, :, None, None]).permute(0, 2, 3, 1, 4)
        x = torch.cat([spectra.flatten(3), interaural(spectra)], dim=-1)
        if heard is not None and self.config.boosting == "output":
            x = torch.cat([x, heard.hints], dim=-1)
        refined, inside = None, state.refined
        if self.refined is not None and inside is not None:
            refined, inside = self.refined.separate(frames, inside, None)
            x = torch.cat([x, refined.spectra.flatten(3)], dim=-1)
        x, first = self.encoder(x, state.heard)
        x = x.float()  # what the blocks add up to stays float32 under autocast
        blocks, merges = [], []
        for number, block in enumerate(self.blocks):
            x, remembered = block(x, state.blocks[number])
            blocks.append(remembered)
            if number < len(self.merges):
                x, context = self.merges[number](x, heard, state.merges[number])
                merges.append(context)
        told = x if self.bottleneck is None else self.bottleneck(x)
        masks, last = self.decoder(told, state.spoken)
        estimates = masked(masks.float().unflatten(-1, (-1, EARS, 2)), spectra)
        if refined is not None:
            estimates = torch.lerp(estimates, refined.spectra, self.trust)
        after = state._replace(
            level=level,
            heard=first,
            blocks=tuple(blocks),
            merges=tuple(merges),
            spoken=last,
            refined=inside,
        )
        return Separated(estimates, told, scale), after

    def _hear(
        self,
        mixture: Tensor,
        enrollment: Tensor | None,
        hints: Tensor | None,
        seen_mask: Tensor | None,
        age: Tensor | None,
    ) -> Made:
        """A whole mixture."""
        frames = torch.view_as_real(self.stft(mixture))
        if hints is None or seen_mask is None or age is None:
            heard = self._unheard(frames)
        else:
            heard = self._heard(hints, seen_mask, age)
        made, _ = self.run(frames, self.start(len(mixture), enrollment), heard)
        return made

    def _sound(self, bins: Tensor, length: int) -> Tensor:
        """Samples of bins."""
        return self.stft.inverse(torch.view_as_complex(bins.contiguous()), length)

    def _all_sound(self, made: Made, length: int) -> tuple[Tensor, Tensor]:
        """Samples of the estimates, and of all that was separated: the same, if none is picked."""
        estimates = self._sound(made.estimates, length)
        if self.picker is None:
            return estimates, estimates
        talkers = at_level(made.separated.spectra, made.separated.level)
        return estimates, self._sound(talkers, length)

    def _heard(self, hints: Tensor, seen: Tensor, age: Tensor) -> Heard | None:
        return None if self.config.boosting == "none" else Heard.of(hints, seen, age)

    def _unheard(self, frames: Tensor) -> Heard | None:
        """As many steps as frames (B, C, T, 97, 2), none with a hint."""
        batch, _, steps = frames.shape[:3]
        hints = frames.new_zeros(batch, steps, BINS, self.config.hint_features)
        never = torch.zeros(batch, steps, dtype=torch.bool, device=frames.device)
        return self._heard(hints, never, never.long())

    def _talker(self, enrollment: Tensor | None) -> Tensor | None:
        if self.picker is None:
            return None
        if enrollment is None:
            raise ValueError(
                "enrollment is None: this network extracts a target talker; "
                "give an utterance of that talker, (B, 1, T_e)"
            )
        return self.picker.know(enrollment)


class RemoteGridNet(GridNet):
    """A remote: estimates and hints (B, K, 97, E).

    Args:
        config: its shape.
        speaks: what its hints are.
    """

    def __init__(self, config: GridNetConfig, speaks: Speaks = "features") -> None:
        super().__init__(config)
        self.speaks: Speaks = speaks

    def forward(  # type: ignore[override]
        self, mixture: Tensor, *, enrollment: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mixture (B, C, T) to estimates (B, S, C, T) and hints (B, K, 97, E)."""
        made = self._hear(mixture, enrollment, None, None, None)
        return self._sound(made.estimates, mixture.shape[-1]), made.told[self.speaks]

    def with_all_talkers_and_hints(
        self, mixture: Tensor, *, enrollment: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Estimates (B, S, C, T), all that was separated (B, N, C, T), hints (B, K, 97, E)."""
        made = self._hear(mixture, enrollment, None, None, None)
        return *self._all_sound(made, mixture.shape[-1]), made.told[self.speaks]

    def step(  # type: ignore[override]
        self, frame: Tensor, state: State
    ) -> tuple[Any, ...]:
        """Frame (B, C, 192) to a chunk (B, S, C, 128), a hint (B, 97, E), and the state."""
        made, state = self.run(self.stft.analyse_pairs(frame)[:, :, None], state, None)
        chunk, carry = self.stft.overlap_pairs(made.estimates[:, :, :, 0], state.carry)
        return chunk, made.told[self.speaks][:, 0], state._replace(carry=carry)


def _begin(layer: Any, batch: int) -> Any:
    return layer.start(batch)


def _share_equally(decoder: CausalConv, sources: int) -> None:
    """Let masks begin about an equal share of the mixture for each estimate.

    SI-SDR does not tell an estimate from its inverse: whatever sign chance gave a mask, each ear's
    its own, would stay.
    """
    if decoder.conv.bias is not None:
        with torch.no_grad():
            decoder.conv.weight.mul_(FIRST_MASKS)
            decoder.conv.bias.view(-1, 2).copy_(torch.tensor([1 / sources, 0.0]))


def _merges(config: GridNetConfig) -> list[nn.Module]:
    """Attention between blocks; modulation after each."""
    if config.boosting == "attention":
        return [AttendedHints(config, BINS) for _ in range(config.merges or config.blocks - 1)]
    if config.boosting == "film":
        return [LayerFilm(config) for _ in range(config.blocks)]
    return []
