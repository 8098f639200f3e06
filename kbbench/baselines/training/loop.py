"""The training loop: steps, validation, best weights, checkpoints, log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch

from kbbench import __version__
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.stages import TAUGHT, weights_name
from kbbench.baselines.training.averaging import averaged
from kbbench.baselines.training.board import Board, summary_writer
from kbbench.baselines.training.checkpoint import (
    Identity,
    read_checkpoint,
    write_checkpoint,
)
from kbbench.baselines.training.clips import Clips, Data, Item, batches
from kbbench.baselines.training.hints import heard_scenes
from kbbench.baselines.training.optimizer import optimizer_of
from kbbench.baselines.training.run import Outcome, Run, best_weights
from kbbench.baselines.training.settings import Settings
from kbbench.baselines.training.start import Given, Origin, begin_with, refining
from kbbench.baselines.training.talkers import taught
from kbbench.baselines.training.team import Team, assembled
from kbbench.baselines.training.trainee import Trainee
from kbbench.baselines.training.validation import to_device, validate
from kbbench.baselines.variants import VARIANTS, file_name, variants_of
from kbbench.baselines.weights import Card, load_remote, save_weights
from kbbench.errors import InputError
from kbbench.files import write_text
from kbbench.pool import Progress

Show = Callable[[str], AbstractContextManager[Progress]]
"""From what is being done to what is told how far it is."""
CHECKPOINT_S = 60.0
"""A kill loses no more than this, and one step."""


def unseen(what: str) -> AbstractContextManager[Progress]:
    """Nobody looks."""
    return nullcontext(lambda done, total: None)


def train(
    settings: Settings,
    data: Data,
    out: Path,
    *,
    start: Path | None = None,
    refine: Path | None = None,
    device: str = "cpu",
    workers: int = 0,
    processes: int = 1,
    minutes: float | None = None,
    tensorboard: bool = False,
    show: Show = unseen,
) -> Outcome:
    """Train a stage, or carry on where a kill or the time limit left it.

    Args:
        settings: of the stage.
        data: to learn from.
        out: folder of all stages: weights, ``triple.py``, and a folder a stage with ``log.csv``
            and ``checkpoint.pt``.
        start: weights of the same stage to begin with, in place of random ones; they are part of
            what the run is, and once a step is done the checkpoint alone decides.
        refine: weights of a device without hints whose estimates the large network hears and
            refines from now on; stage large alone.
        device: cpu, cuda, cuda:1, ...
        workers: processes that render mixtures, for each one that trains; 0 renders between steps.
        processes: that train together, each on its share of every batch: so many CUDA devices, or
            parts of the cores. How many they are moves the last bits alone.
        minutes: to stop after, with a checkpoint.
        tensorboard: what ``log.csv`` holds goes to TensorBoard's files beside it too.
        show: how far it is: with the talkers, with the large network's hints, with the steps.

    Raises:
        InputError: no such device, or fewer than processes; they do not divide the batch, or one
            of them died; the large network or the package tensorboard is missing,
            ``start`` does not fit, or the folder holds a run with other settings or another start.
    """
    writer = summary_writer() if tensorboard else None
    place = _device(device, processes, settings.batch_size)
    given = Given(start, refine)
    run = _begin(settings, data, out, given, place, show)
    run.board = Board(writer, run.folder, run.progress) if writer else None
    limit_s = float("inf") if minutes is None else 60 * minutes
    with (
        run.board or nullcontext(),
        assembled(processes, place, _help, settings, data, out, given, device, workers) as run.team,
    ):
        _learn(run, workers, limit_s, show)
    begun = run.origins.get("network")
    return Outcome(
        done=run.progress.step == settings.steps or _stale(run),
        progress=run.progress,
        weights=run.weights,
        trained=run.trained,
        before=begun and begun.card.training,
    )


def _help(
    team: Team,
    settings: Settings,
    data: Data,
    out: Path,
    given: Given,
    device: str,
    workers: int,
) -> None:
    """Another process's part in a training."""
    place = torch.device(f"cuda:{team.rank}" if device.startswith("cuda") else device)
    run = _begin(settings, data, out, given, place)
    run.team = team
    _learn(run, workers, float("inf"), unseen)


def _learn(run: Run, workers: int, limit_s: float, show: Show) -> None:
    """Step by step until there is none left, or the time is up."""
    settings, before_s = run.settings, run.progress.seconds
    started = saved = time.monotonic()
    scenes = run.data.train
    if settings.cache_hints and run.trainee.remote is not None:
        with show("mixtures heard by the large network") as tell:
            scenes = heard_scenes(run.data, settings, run.trainee.remote, run.out, tell)
    clips = batches(
        Clips(scenes, settings), run.progress.step, workers, run.team.rank, run.team.size
    )
    over = False
    with show(f"steps of {settings.stage}") as tell:
        while not over and run.progress.step < settings.steps and not _stale(run):
            batch = to_device(next(clips), run.device)
            figures, over = _step(run, batch, started + limit_s)
            now = time.monotonic()
            run.progress.seconds = before_s + now - started
            _after_step(run, figures)
            tell(run.progress.step, settings.steps)
            if now - saved > CHECKPOINT_S:
                _save(run)
                saved = time.monotonic()
    _save(run)


def _device(name: str, processes: int, batch_size: int) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name}: expected cpu, cuda, or cuda:1") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: torch finds no CUDA device here; give cpu")
    if batch_size % processes:
        raise InputError(
            f"--processes {processes}: they do not divide a batch of {batch_size} clips; "
            "give a number that does, or another --batch-size"
        )
    if processes > 1 and device.index is not None:
        raise InputError(f"--device {name}: one device, for {processes} processes; give cuda")
    if device.type == "cuda" and processes > (there := torch.cuda.device_count()):
        raise InputError(f"--processes {processes}: one a CUDA device, and there are {there}")
    return device


def _begin(
    settings: Settings,
    data: Data,
    out: Path,
    given: Given,
    device: torch.device,
    show: Show = unseen,
) -> Run:
    if settings.d_vector and data.task != "target_speech":
        raise InputError(f"--d-vector: {data.task} has no enrollments; leave it out")
    large = out / weights_name("large")
    remote = _large(large, settings.stage) if settings.stage in TAUGHT else None
    refines = given.refines(settings.stage, data.task)
    trainee = Trainee(settings, data.task, remote, refines, given.device(settings.stage))
    origins = {"remote": Origin.of(large)} if settings.tune_large else {}
    begun: dict[str, Origin] = {}
    if given.start is not None:
        begun = begin_with(given.start, trainee, data.task, best_weights(settings, out))
        _keep_taught(trainee.network, begun["network"].card)
    if settings.tune_large and trainee.remote is not None:
        _keep_taught(trainee.remote, {**origins, **begun}["remote"].card)
    if settings.talker_steps:
        _know_talkers(trainee.network, begun, data, settings, out, show)
    if given.refine is not None:
        begun["refined"] = refining(given.refine, trainee.network, data)
    sha256 = " ".join(origin.sha256 for origin in begun.values()) or None
    if device.type == "cuda" and find_spec("triton"):  # torch brings it where it runs
        from kbbench.baselines.training.fused import fuse

        fuse(trainee)
    optimizer = optimizer_of(trainee.to(device))
    average = averaged(trainee, settings.average_steps) if settings.average_steps else None
    identity = Identity(settings, data.words, sha256)
    run = Run(identity, data, out, trainee, optimizer, average, device, {**origins, **begun})
    run.folder.mkdir(parents=True, exist_ok=True)
    run.progress = read_checkpoint(run.folder, identity, trainee, optimizer, average)
    return run


def _keep_taught(network: GridNet, begun_with: Card) -> None:
    """What encodes voices and was taught to stays as it is."""
    if network.picker is not None:
        if begun_with.taught():
            network.picker.encoder.requires_grad_(False)
        if network.picker.d_vector and begun_with.taught(d_vector=True):
            network.picker.d_vector.requires_grad_(False)


def _know_talkers(
    network: GridNet,
    begun: dict[str, Origin],
    data: Data,
    settings: Settings,
    out: Path,
    show: Show,
) -> None:
    """Let what encodes voices tell talkers apart, and stay so."""
    if network.picker is None:
        raise InputError(f"--talker-steps: {data.task} has no enrollments; leave it out")
    begun_with = [origin.card.config for origin in begun.values()]
    new: dict[int | None, torch.nn.Module] = {}
    if not any(config.enrolled for config in begun_with):
        new[network.config.voice] = network.picker.encoder
    if network.picker.d_vector and not any(config.d_vector for config in begun_with):
        new[None] = network.picker.d_vector
    if not new:
        raise InputError(
            "--talker-steps: --start tells talkers apart already; leave one of them out"
        )
    for width, encoder in new.items():
        with show("steps of telling talkers apart") as tell:
            encoder.load_state_dict(taught(width, data, settings, out, tell).state_dict())
        encoder.requires_grad_(False)


def _large(path: Path, stage: str) -> RemoteGridNet:
    if not path.is_file():
        raise InputError(
            f"{path}: not there, and stage {stage!r} learns from it; "
            "train it first with --stage large, same --out"
        )
    return load_remote(path, "features")


def _step(run: Run, batch: Item, until_s: float) -> tuple[dict[str, float], bool]:
    """One step of the optimizer; a gradient that is not finite changes nothing, and counts.

    Returns:
        figures for the log, and whether the time is over for any process of the team.
    """
    rate = run.settings.rate(run.progress.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    with _autocast(run):
        loss = run.trainee.loss(batch)
    torch.autograd.backward(loss)
    told = (float(loss.detach()), float(time.monotonic() > until_s))
    loss_db, late = run.team.average(run.trainee.trained(), told)
    norm = torch.nn.utils.clip_grad_norm_(run.trainee.trained(), run.settings.clip_norm)
    if torch.isfinite(norm):
        run.optimizer.step()
    else:
        run.progress.skipped += 1
    if run.average is not None:
        run.average.update_parameters(run.trainee)
    run.progress.step += 1
    figures = {"loss_db": loss_db, "gradient_norm": float(norm), "learning_rate": rate}
    return figures, late > 0


def _after_step(run: Run, figures: dict[str, float]) -> None:
    """Log and validate where it is time."""
    step, settings = run.progress.step, run.settings
    last = step == settings.steps
    validated: dict[str, float] = {}
    if step % settings.validate_every == 0 or last:
        with _autocast(run):
            validated = validate(run.kept, run.data.validation, run.device, run.team)
        _keep_best(run, validated["si_sdri_db"])
    if validated or step % settings.log_every == 0:
        seconds = round(run.progress.seconds, 1)
        row = {"step": step, "seconds": seconds, **figures, **validated}
        run.progress.rows.append(row)
        if run.board is not None:
            run.board.add(row)
    if validated:
        _save(run)


def _keep_best(run: Run, score_db: float) -> None:
    if score_db <= run.progress.best_db:
        run.progress.stale += 1
        return
    run.progress.best_db, run.progress.best_step, run.progress.stale = (
        score_db,
        run.progress.step,
        0,
    )
    if not run.team.leads:
        return
    names = {
        "network": run.weights.name,
        "remote": weights_name(run.settings.stage, run.settings.only_delay, remote=True),
    }
    for part, network in run.kept.networks().items():
        origin = run.origins.get(part)
        refined = run.origins.get("refined")
        card = Card(
            kbbench=__version__,
            task=run.data.task,
            stage=run.settings.stage if part == "network" else "large",
            config=network.config,
            steps=run.progress.step,
            validation_si_sdri_db=round(score_db, 3),
            data=run.data.words,
            settings=run.settings.model_dump(mode="json"),
            start_sha256=origin and origin.sha256,
            start=origin and origin.card,
            trained=run.trained + origin.card.training if origin else run.trained,
            refined_sha256=refined and refined.sha256,
            refined=refined and refined.card,
        )
        save_weights(run.out / names[part], network.state_dict(), card)
    for variant in variants_of(run.settings.stage):
        write_text(run.out / file_name(variant), VARIANTS[variant].text(run.data.task))


def _stale(run: Run) -> bool:
    return 0 < run.settings.patience <= run.progress.stale


def _save(run: Run) -> None:
    if not run.team.leads:
        return
    write_checkpoint(
        run.folder, run.identity, run.progress, run.trainee, run.optimizer, run.average
    )
    write_text(run.folder / "log.csv", pd.DataFrame(run.progress.rows).to_csv(index=False))
    if run.board is not None:
        run.board.flush()


def _autocast(run: Run) -> AbstractContextManager[None]:
    return torch.autocast(run.device.type, torch.bfloat16, enabled=run.settings.bf16)
