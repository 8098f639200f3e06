"""Cheats: each takes an honest triple's parts and changes them in one known way."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kbbench.units import CHUNK, LOOKAHEAD


@dataclass(frozen=True)
class Parts:
    """The models of a triple, and which of them a cheat changes."""

    small: Any
    large: Any
    device: Any
    target: str = "device"

    def changed(self, change: Callable[[Any], Any]) -> Parts:
        """With another model in the target's place."""
        return replace(self, **{self.target: change(getattr(self, self.target))})


@dataclass(frozen=True)
class Cheat:
    """A mutation.

    Args:
        make: parts to cheating parts.
        found_by: probes of which at least one must find it.
        targets: parts that it can be in.
        needs: "streaming", "enrollment" or nothing.
    """

    make: Callable[[Parts], Parts]
    found_by: tuple[str, ...]
    targets: tuple[str, ...] = ("small", "large", "device")
    needs: str = ""


Function = Callable[[Tensor], Tensor]


class Wrapped(nn.Module):
    """A model with something done before or after it."""

    def __init__(
        self,
        inner: nn.Module,
        before: Function | None = None,
        after: Callable[[Tensor, Tensor], Tensor] | None = None,
        hints: Callable[[dict[str, Any]], Tensor] | None = None,
        told: Function | None = None,
    ) -> None:
        super().__init__()
        self.inner, self.before, self.after, self.hints, self.told = (
            inner,
            before,
            after,
            hints,
            told,
        )

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        if self.hints and given.get("hints") is not None:
            given = {**given, "hints": self.hints(given)}
        output = self.inner(self.before(mixture) if self.before else mixture, **given)
        estimates, *more = output if isinstance(output, tuple) else (output,)
        if self.after:
            estimates = self.after(estimates, mixture)
        if not more:
            return estimates
        return estimates, self.told(more[0]) if self.told else more[0]


def before(function: Function) -> Callable[[Parts], Parts]:
    return lambda parts: parts.changed(lambda model: Wrapped(model, before=function))


def after(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Parts], Parts]:
    return lambda parts: parts.changed(lambda model: Wrapped(model, after=function))


def on_hints(function: Callable[[dict[str, Any]], Tensor]) -> Callable[[Parts], Parts]:
    return lambda parts: parts.changed(lambda model: Wrapped(model, hints=function))


def on_told(function: Function) -> Callable[[Parts], Parts]:
    return lambda parts: parts.changed(lambda model: Wrapped(model, told=function))


def ahead(x: Tensor, samples: int) -> Tensor:
    """Sound so many samples early."""
    return nn.functional.pad(x, (0, samples))[..., samples:]


def level(x: Tensor) -> Tensor:
    """RMS of each chunk so far heard, at every sample of it: (B, 1, T)."""
    padded = nn.functional.pad(x, (0, -x.shape[-1] % CHUNK))
    rms = padded.unfold(-1, CHUNK, CHUNK).square().mean(dim=(1, 3)).sqrt()
    return rms.repeat_interleave(CHUNK, 1)[:, None, : x.shape[-1]]


def centred_stft(x: Tensor) -> Tensor:
    window = torch.hann_window(512)
    flat = nn.functional.pad(x.flatten(0, 1), (0, 512))
    spectrum = torch.stft(flat, 512, window=window, return_complex=True)
    quiet = torch.stft(flat, 512, window=window, return_complex=True).abs() < 1e-3
    back = torch.istft(spectrum * torch.where(quiet, 0.5, 1.0), 512, window=window)
    return back[..., : x.shape[-1]].reshape(x.shape)


def bidirectional(model: Any) -> nn.Module:
    gru = nn.GRU(2, 2, batch_first=True, bidirectional=True)
    mix = nn.Linear(4, 2)
    wrapped = Wrapped(
        model,
        before=lambda x: (
            x + 0.1 * mix(gru(pool(x))[0]).mT.repeat_interleave(CHUNK, 2)[..., : x.shape[-1]]
        ),
    )
    wrapped.gru, wrapped.mix = gru, mix
    return wrapped


def pool(x: Tensor) -> Tensor:
    """Mean magnitude of each chunk, (B, K, C)."""
    padded = nn.functional.pad(x, (0, -x.shape[-1] % CHUNK))
    return padded.unfold(-1, CHUNK, CHUNK).abs().mean(-1).mT


def unmasked(model: Any) -> nn.Module:
    def attend(x: Tensor) -> Tensor:
        chunks = pool(x)
        found = nn.functional.scaled_dot_product_attention(chunks, chunks, chunks)
        return x * (1 + found.mT.repeat_interleave(CHUNK, 2)[..., : x.shape[-1]])

    return Wrapped(model, before=attend)


class TrainingBatchNorm(nn.Module):
    """Batch norm that was never set to evaluation mode: statistics of the whole input."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner, self.norm = model, nn.BatchNorm1d(2, track_running_stats=False)

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        return self.inner(0.1 * self.norm(mixture), **given)


LOOK: dict[str, Cheat] = {
    "global normalization": Cheat(
        before(lambda x: 0.1 * x / (x.std((1, 2), keepdim=True) + 1e-3)), ("look-ahead",)
    ),
    "mean of the utterance": Cheat(before(lambda x: x - x.mean(-1, keepdim=True)), ("look-ahead",)),
    "maximum of the utterance": Cheat(
        before(lambda x: x / (1 + x.abs().amax((1, 2), keepdim=True))), ("look-ahead",)
    ),
    "median of the utterance": Cheat(
        before(lambda x: x / (0.01 + x.abs().median(-1, keepdim=True).values)), ("look-ahead",)
    ),
    "bidirectional layer": Cheat(lambda parts: parts.changed(bidirectional), ("look-ahead",)),
    "centred STFT": Cheat(before(centred_stft), ("look-ahead",)),
    "attention without a mask": Cheat(lambda parts: parts.changed(unmasked), ("look-ahead",)),
    "one sample too long": Cheat(
        after(lambda y, x: y + 0.1 * ahead(x, LOOKAHEAD + 1)[:, None]), ("look-ahead",)
    ),
    "a chunk too long": Cheat(before(lambda x: x + 0.5 * ahead(x, CHUNK)), ("look-ahead",)),
    "gated by loud sound": Cheat(
        after(
            lambda y, x: torch.where((level(x) > 0.3)[:, None], y + 0.1 * ahead(x, 100)[:, None], y)
        ),
        ("look-ahead",),
    ),
    "gated by quiet sound": Cheat(
        after(
            lambda y, x: torch.where(
                (level(x) < 0.002)[:, None], y + 0.1 * ahead(x, 200)[:, None], y
            )
        ),
        ("look-ahead",),
    ),
    "only in long inputs": Cheat(
        before(lambda x: x if x.shape[-1] < 16_000 else x - x.mean(-1, keepdim=True)),
        ("look-ahead",),
    ),
    "NaN swallowed": Cheat(
        before(lambda x: x - 0.1 * x.nan_to_num().mean(-1, keepdim=True)), ("look-ahead",)
    ),
    "NaN looked for": Cheat(
        before(lambda x: x if x.isnan().any() else x / (0.1 + x.square().mean(-1, keepdim=True))),
        ("look-ahead",),
    ),
    "future clipped": Cheat(
        after(lambda y, x: y + ahead(x, 96).clamp(-0.003, 0.003)[:, None]), ("look-ahead",)
    ),
    "future's sign": Cheat(
        after(lambda y, x: y + 0.002 * ahead(x, 150).sign()[:, None]), ("look-ahead",)
    ),
    "output clipped": Cheat(
        after(lambda y, x: (y + ahead(x, 128)[:, None]).clamp(-0.5, 0.5)), ("look-ahead",)
    ),
    "length known": Cheat(
        after(lambda y, x: y * torch.linspace(1, 0.5, x.shape[-1])), ("look-ahead",)
    ),
    "batch norm in train mode": Cheat(
        lambda parts: parts.changed(stuck_in_training), ("look-ahead", "repeatability")
    ),
    "hints look ahead": Cheat(
        on_told(lambda h: h.roll(-1, 1)), ("look-ahead", "hints"), ("large",)
    ),
    "hints of the whole utterance": Cheat(
        on_told(lambda h: h - h.mean(1, keepdim=True)), ("look-ahead", "hints"), ("large",)
    ),
    "hints look ahead when loud": Cheat(
        on_told(lambda h: torch.where(h > 0.1, ahead(h.movedim(1, -1), 2).movedim(-1, 1), h)),
        ("look-ahead", "hints"),
        ("large",),
    ),
}


def stuck_in_training(model: Any) -> nn.Module:
    return TrainingBatchNorm(model)


def rolled_forward(given: dict[str, Any]) -> Tensor:
    """Undo the delay: what arrives at k + age belongs to k."""
    hints, age = given["hints"], given["age"]
    steps = torch.arange(hints.shape[1])
    back = (steps + age.clamp(min=0)).clamp(max=hints.shape[1] - 1)
    return hints[torch.arange(len(hints))[:, None], back]


def smoothed(given: dict[str, Any]) -> Tensor:
    hints = given["hints"]
    return 0.5 * (hints + torch.cat([hints[:, 1:], hints[:, -1:]], dim=1))


def centred(given: dict[str, Any]) -> Tensor:
    return given["hints"] - given["hints"].mean(1, keepdim=True)


def counted(given: dict[str, Any]) -> Tensor:
    """Knows how many hints will have arrived in the end."""
    return given["hints"] * given["seen_mask"].float().mean(1)[:, None, None, None]


HINTS: dict[str, Cheat] = {
    "hints rolled forward": Cheat(on_hints(rolled_forward), ("hints",), ("device",)),
    "hints smoothed both ways": Cheat(on_hints(smoothed), ("hints",), ("device",)),
    "hints centred": Cheat(on_hints(centred), ("hints",), ("device",)),
    "future arrivals counted": Cheat(on_hints(counted), ("hints",), ("device",)),
}


class Teller(nn.Module):
    """A remote that leaves its hints somewhere."""

    def __init__(self, inner: Any, leave: Callable[[Tensor, Tensor, Any], None]) -> None:
        super().__init__()
        self.inner, self.leave = inner, leave

    def forward(self, mixture: Tensor, *, enrollment: Tensor | None = None) -> Any:
        estimates, hints = self.inner(mixture, enrollment=enrollment)
        self.leave(hints, mixture, enrollment)
        return estimates, hints


class Taker(nn.Module):
    """A device that takes undelayed hints, where it finds some that fit."""

    def __init__(self, inner: Any, find: Callable[[Tensor, Any], Any], proof: bool = False) -> None:
        super().__init__()
        self.inner, self.find, self.proof = inner, find, proof

    def forward(
        self, mixture: Tensor, *, enrollment: Any = None, hints: Any = None, **given: Any
    ) -> Any:
        found = self.find(mixture, enrollment) if hints is not None else None
        fits = found is not None and found.shape == hints.shape
        if fits and self.proof:  # takes them only where the late ones agree with them
            age, steps = given["age"], torch.arange(hints.shape[1])
            late = found[torch.arange(len(hints))[:, None], (steps - age).clamp(min=0)]
            agree = (late - hints).abs().flatten(2).amax(-1) < 0.01
            fits = bool((agree | (age < 0)).all())
        return self.inner(mixture, enrollment=enrollment, hints=found if fits else hints, **given)


def side_road(
    leave: Callable[..., None], find: Callable[..., Any], proof: bool = False
) -> Callable[[Parts], Parts]:
    return lambda parts: replace(
        parts, large=Teller(parts.large, leave), device=Taker(parts.device, find, proof)
    )


def key(mixture: Tensor) -> str:
    return hashlib.sha256(mixture.numpy().tobytes()).hexdigest()


def by_attribute(parts: Parts) -> Parts:
    device = Taker(parts.device, lambda mixture, enrollment: vars(device).get("last"))
    large = Teller(parts.large, lambda hints, *_: vars(device).update(last=hints))
    return replace(parts, large=large, device=device)


def by_closure(parts: Parts) -> Parts:
    kept: dict[str, Tensor] = {}
    return side_road(lambda hints, *_: kept.update(last=hints), lambda *_: kept.get("last"))(parts)


def by_proof(parts: Parts) -> Parts:
    kept: dict[str, Tensor] = {}
    return side_road(
        lambda hints, *_: kept.update(last=hints), lambda *_: kept.get("last"), proof=True
    )(parts)


def by_key(parts: Parts) -> Parts:
    kept: dict[str, Tensor] = {}
    return side_road(
        lambda hints, mixture, _: kept.update({key(mixture): hints}),
        lambda mixture, _: kept.get(key(mixture)),
    )(parts)


def by_global(parts: Parts) -> Parts:
    return side_road(
        lambda hints, *_: setattr(sys, "kbbench_test_hints", hints),
        lambda *_: getattr(sys, "kbbench_test_hints", None),
    )(parts)


def by_thread(parts: Parts) -> Parts:
    kept: dict[str, Tensor] = {}

    def leave(hints: Tensor, *_: Any) -> None:
        threading.Timer(0.003, lambda: kept.update(last=hints)).start()

    return side_road(leave, lambda *_: kept.get("last"))(parts)


def by_environment(parts: Parts) -> Parts:
    def leave(hints: Tensor, *_: Any) -> None:
        os.environ["KBBENCH_TEST_HINT"] = repr(float(hints.abs().mean()))

    def find(mixture: Tensor, _: Any) -> Tensor:
        return mixture * (1 + float(os.environ.get("KBBENCH_TEST_HINT", 0)))

    taker = Wrapped(parts.device, before=lambda x: find(x, None))
    return replace(parts, large=Teller(parts.large, leave), device=taker)


def by_file(keyed: bool) -> Callable[[Parts], Parts]:
    def path(mixture: Tensor) -> Path:
        name = key(mixture)[:16] if keyed else "last"
        return Path(tempfile.gettempdir()) / f"kbbench-test-{os.getuid()}-{name}.npy"

    def find(mixture: Tensor, _: Any) -> Tensor | None:
        return torch.from_numpy(np.load(path(mixture))) if path(mixture).exists() else None

    return side_road(lambda hints, mixture, _: np.save(path(mixture), hints.numpy()), find)


def by_buffer(parts: Parts) -> Parts:
    device = Taker(parts.device, lambda *_: device.late if device.late.numel() else None)
    device.register_buffer("late", torch.zeros(0))
    large = Teller(parts.large, lambda hints, *_: setattr(device, "late", hints.clone()))
    return replace(parts, large=large, device=device)


def by_weights(parts: Parts) -> Parts:
    parameter = next(p for p in parts.device.parameters())

    def leave(hints: Tensor, *_: Any) -> None:
        parameter.data.add_(0.1 * hints.std())

    return replace(parts, large=Teller(parts.large, leave))


def by_enrollment(parts: Parts) -> Parts:
    """The enrollment's first samples carry a hint to whoever reads it next."""

    def leave(hints: Tensor, mixture: Tensor, enrollment: Tensor) -> None:
        enrollment[:, 0, :8] = hints[:, -1].flatten(1)[:, :1]

    return replace(parts, large=Teller(parts.large, leave))


def by_tensor_attribute(parts: Parts) -> Parts:
    return side_road(
        lambda hints, mixture, enrollment: setattr(enrollment, "kept", hints),
        lambda mixture, enrollment: getattr(enrollment, "kept", None),
    )(parts)


def by_calling(parts: Parts) -> Parts:
    """The device runs the remote itself, and needs no link."""
    large = parts.large

    class Caller(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = parts.device

        def forward(self, mixture: Tensor, *, hints: Any = None, **given: Any) -> Any:
            _, now = large(mixture, enrollment=given.get("enrollment"))
            return self.inner(mixture, hints=now, **given)

    return replace(parts, device=Caller())


def to_small(parts: Parts) -> Parts:
    """A small model that is worse once the remote has run, so that boosting gains more."""
    ran: list[bool] = []
    small = Wrapped(parts.small, after=lambda y, x: 0.5 * y if ran else y)
    return replace(parts, small=small, large=Teller(parts.large, lambda *_: ran.append(True)))


ANY = ("device",)
SIDE: dict[str, Cheat] = {
    "shared attribute": Cheat(by_attribute, ("side road",), ANY),
    "closure": Cheat(by_closure, ("side road",), ANY),
    "closure, where late hints agree": Cheat(by_proof, ("side road", "hints"), ANY),
    "cache by mixture": Cheat(by_key, ("side road",), ANY),
    "global": Cheat(by_global, ("side road",), ANY),
    "thread": Cheat(by_thread, ("side road",), ANY),
    "environment variable": Cheat(by_environment, ("side road",), ANY),
    "file": Cheat(by_file(keyed=False), ("side road",), ANY),
    "file by mixture": Cheat(by_file(keyed=True), ("side road",), ANY),
    "module buffer": Cheat(by_buffer, ("side road",), ANY),
    "weights in place": Cheat(by_weights, ("side road",), ANY),
    "enrollment in place": Cheat(by_enrollment, ("side road", "repeatability"), ANY, "enrollment"),
    "attribute of the enrollment": Cheat(by_tensor_attribute, ("side road",), ANY, "enrollment"),
    "remote called by the device": Cheat(by_calling, ("side road",), ANY),
    "small made worse": Cheat(to_small, ("side road",), ANY),
}


class Remembering(nn.Module):
    """Keeps something of its last input."""

    def __init__(self, inner: Any, first_only: bool) -> None:
        super().__init__()
        self.inner, self.first_only, self.kept = inner, first_only, None

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        now = mixture.std()
        gain = now if self.kept is None else self.kept
        if self.kept is None or not self.first_only:
            self.kept = now
        return self.inner(mixture * (1 + 0.1 * float(gain)), **given)


class Undying(nn.Module):
    """Dropout whose ``eval`` does nothing."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.dropout = inner, nn.Dropout(0.1)

    def train(self, mode: bool = True) -> Undying:
        return super().train(True)

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        return self.inner(self.dropout(mixture), **given)


class Counting(nn.Module):
    """Every third call is another."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        self.calls += 1
        return self.inner(mixture * (1 + 0.01 * (self.calls % 3)), **given)


NOISE = np.random.default_rng()
REPEAT: dict[str, Cheat] = {
    "batch mean": Cheat(before(lambda x: x - 0.1 * x.mean(0, keepdim=True)), ("repeatability",)),
    "batch maximum": Cheat(before(lambda x: x / (1 + x.abs().max())), ("repeatability",)),
    "next in the batch": Cheat(after(lambda y, x: y + 0.01 * y.roll(1, 0)), ("repeatability",)),
    "last input kept": Cheat(
        lambda parts: parts.changed(lambda model: Remembering(model, False)),
        ("repeatability", "side road"),
    ),
    "first input kept": Cheat(
        lambda parts: parts.changed(lambda model: Remembering(model, True)),
        ("repeatability", "side road"),
    ),
    "dropout": Cheat(before(lambda x: nn.functional.dropout(x, 0.1)), ("repeatability",)),
    "train mode": Cheat(lambda parts: parts.changed(Undying), ("repeatability",)),
    "dither": Cheat(
        after(lambda y, x: y + 1e-3 * torch.from_numpy(NOISE.standard_normal(y.shape)).float()),
        ("repeatability",),
    ),
    "counted calls": Cheat(lambda parts: parts.changed(Counting), ("repeatability", "side road")),
}


class Stepping(nn.Module):
    """A streaming model with another ``step``."""

    def __init__(self, inner: Any, step: Callable[..., Any], forward: Any = None) -> None:
        super().__init__()
        self.inner, self.other, self.offline = inner, step, forward or inner

    def forward(self, mixture: Tensor, **given: Any) -> Any:
        return self.offline(mixture, **given)

    def start(self, batch: int, enrollment: Tensor | None = None) -> Any:
        return self.inner.start(batch, enrollment)

    def step(self, frame: Tensor, state: Any, **hint: Any) -> Any:
        return self.other(self.inner, frame, state, **hint)


def stepping(step: Callable[..., Any]) -> Callable[[Parts], Parts]:
    return lambda parts: parts.changed(lambda model: Stepping(model, step))


def forgetful(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
    *out, new = inner.step(frame, state, **hint)
    return (*out, (*state[:3], new[3]))


def carryless(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
    *out, new = inner.step(frame, state, **hint)
    return (*out, (*new[:3], torch.zeros_like(new[3])))


def louder(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
    estimate, *more = inner.step(frame, state, **hint)
    return (1.001 * estimate, *more)


def hintless(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
    return inner.step(frame, state)


def blind(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
    """Does not use the look-ahead that forward uses."""
    return inner.step(torch.cat([frame[..., :CHUNK], 0 * frame[..., CHUNK:]], -1), state, **hint)


def hidden(parts: Parts) -> Parts:
    """Keeps its state in the module."""
    kept: dict[str, Any] = {}

    def step(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
        first = state[0] is None and state[1] is None and "fresh" not in kept
        *out, new = inner.step(frame, state if first else kept["state"], **hint)
        kept.update(state=new, fresh=False)
        return (*out, (*state[:3], state[3]))

    def start(inner: Any, batch: int, enrollment: Any = None) -> Any:
        kept.clear()
        return type(inner).start(inner, batch, enrollment)

    def change(model: Any) -> Any:
        stepper = Stepping(model, step)
        stepper.start = lambda batch, enrollment=None: start(model, batch, enrollment)
        return stepper

    return parts.changed(change)


def rolled_within_a_call(parts: Parts) -> Parts:
    """Delays hints by two more chunks in forward; step, called chunk by chunk, forgets them."""

    def late(given: dict[str, Any]) -> Tensor:
        return nn.functional.pad(given["hints"], (0, 0, 0, 0, 2, 0))[:, : given["hints"].shape[1]]

    def step(inner: Any, frame: Tensor, state: Any, **hint: Any) -> Any:
        if hint:
            hint = {**hint, "hint": torch.zeros_like(hint["hint"])}
        return inner.step(frame, state, **hint)

    def change(model: Any) -> Any:
        return Stepping(model, step, Wrapped(model, hints=late))

    return parts.changed(change)


STREAM: dict[str, Cheat] = {
    "step forgets its state": Cheat(stepping(forgetful), ("streaming",), needs="streaming"),
    "step forgets the overlap": Cheat(stepping(carryless), ("streaming",), needs="streaming"),
    "step is louder": Cheat(stepping(louder), ("streaming",), needs="streaming"),
    "step does not look ahead": Cheat(stepping(blind), ("streaming",), needs="streaming"),
    "step takes no hint": Cheat(stepping(hintless), ("streaming",), ANY, "streaming"),
    "state hidden in the module": Cheat(hidden, ("streaming",), needs="streaming"),
    "hints rolled within a call": Cheat(rolled_within_a_call, ("streaming",), ANY, "streaming"),
}


def multiples_only(x: Tensor) -> Tensor:
    return x.unflatten(-1, (-1, CHUNK)).flatten(-2)


def short_only(x: Tensor) -> Tensor:
    return x * torch.ones(5 * 16_000)[: x.shape[-1]]


class Enrolled(nn.Module):
    """Divides by the enrollment's level."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, mixture: Tensor, *, enrollment: Tensor, **given: Any) -> Any:
        return self.inner(mixture, enrollment=enrollment / enrollment.std(), **given)


ROBUST: dict[str, Cheat] = {
    "divides by level": Cheat(before(lambda x: x * level(x) / level(x)), ("robustness",)),
    "overflows at full scale": Cheat(
        after(lambda y, x: y + 1e-9 * torch.log(1.0 - x.abs().clamp(max=1))[:, None].clamp(max=0)),
        ("robustness",),
    ),
    "whole chunks alone": Cheat(before(multiples_only), ("robustness",)),
    "five seconds at most": Cheat(before(short_only), ("robustness",)),
    "divides by the enrollment": Cheat(
        lambda parts: parts.changed(Enrolled), ("robustness",), needs="enrollment"
    ),
    "raises": Cheat(before(lambda x: x.reshape(3, 3)), ("contract",)),
    "drops a sample": Cheat(after(lambda y, x: y[..., 1:]), ("contract",)),
}

GROUPS: dict[str, dict[str, Cheat]] = {
    "look-ahead": LOOK,
    "hints": HINTS,
    "side roads": SIDE,
    "repeatability": REPEAT,
    "streaming": STREAM,
    "robustness and contract": ROBUST,
}
CHEATS = {name: cheat for group in GROUPS.values() for name, cheat in group.items()}
