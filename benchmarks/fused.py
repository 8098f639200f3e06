"""A training step on CUDA with LSTM layers fused in Triton, beside cuDNN's.

    python benchmarks/fused.py [--batch-size 16] [--device cuda]

Clips of 2 s, bfloat16, noise in place of speech; milliseconds a step, and their ratio.
"""

from __future__ import annotations

import argparse
import time

import torch

from kbbench.baselines.training import Settings
from kbbench.baselines.training.fused import fuse
from kbbench.baselines.training.trainee import Trainee
from kbbench.units import chunk_count, samples

CLIP_S = 2.0
STEPS = 10
"""Timed, after half as many that are not."""


def step_ms(stage: str, batch_size: int, device: str, fused: bool) -> float:
    """Of one stage of separation, mean of several steps."""
    settings = Settings.of(stage=stage, batch_size=batch_size)
    trainee = Trainee(settings, "separation", None).to(device)
    if fused:
        fuse(trainee)
    optimizer = torch.optim.AdamW(trainee.trained())
    length = samples(CLIP_S)
    batch = {
        "mixture": 0.1 * torch.randn(batch_size, 2, length, device=device),
        "references": 0.1 * torch.randn(batch_size, 2, 2, length, device=device),
        "seen": torch.zeros(batch_size, chunk_count(length)),
    }
    started = 0.0
    for number in range(STEPS + STEPS // 2):
        if number == STEPS // 2:
            started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16):
            loss = trainee.loss(batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trainee.trained(), 1.0)
        optimizer.step()
        float(loss.detach())  # waits for the device
    return 1000 * (time.perf_counter() - started) / STEPS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    print("| stage | cuDNN ms | fused ms | times as fast |")
    print("|---|---:|---:|---:|")
    for stage in ("large", "small", "baseline"):
        before, after = (
            step_ms(stage, given.batch_size, given.device, fused) for fused in (False, True)
        )
        print(f"| {stage} | {before:.1f} | {after:.1f} | {before / after:.2f} |", flush=True)


if __name__ == "__main__":
    main()
