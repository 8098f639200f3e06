"""Commands and options of two processes on a network."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kbbench.cli import options
from kbbench.units import HEADLINE_DELAY

TOKEN = click.option(
    "--token-file", type=click.Path(path_type=Path), help="Its first line is the remote's token."
)
EVALUATE = (
    click.option("--live", "address", metavar="HOST:PORT", help="Of a `kbbench serve`: run live."),
    click.option(
        "--clock",
        type=click.Choice(["real", "fast"]),
        default="real",
        help="Live: 8 ms a chunk, or as fast as both can [real].",
    ),
    click.option(
        "--transport",
        type=click.Choice(["websocket", "udp"]),
        default="websocket",
        help="Live: of frames and hints [websocket].",
    ),
    click.option(
        "--network",
        metavar="NAME[:options]",
        help="Live: put between the two: lan, wifi-6, 5g-edge, 4g, ble-phone, or "
        "custom:mean_ms=20,std_ms=5,loss=0.01,rate_kbit_s=2000.",
    ),
    click.option(
        "--audio",
        type=click.Choice(["pcm16", "float32"]),
        default="pcm16",
        help="Live: how samples are written [pcm16].",
    ),
    click.option(
        "--live-delay",
        type=click.IntRange(0, options.LONGEST_DELAY),
        default=HEADLINE_DELAY,
        help="Live: which boosted model, in chunks; that of the remote's --delay [6].",
    ),
    TOKEN,
)


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a live run: the command gets ``live``, (target, settings) or None."""

    @functools.wraps(command)
    def wrapped(
        address: str | None,
        clock: Any,
        transport: Any,
        network: str | None,
        audio: Any,
        live_delay: int,
        token_file: Path | None,
        **others: Any,
    ) -> Any:
        if address is None:
            return command(live=None, **others)
        from kbbench.live.connection import Target
        from kbbench.live.network import parse_network
        from kbbench.live.settings import LiveSettings, parse_address, read_token

        between = None if network is None else parse_network(network)
        host, port = parse_address(address)
        target = Target(host, port, read_token(token_file), transport, between)
        settings = LiveSettings(clock, transport, audio, live_delay, between)
        return command(live=(target, settings), **others)

    for option in reversed(EVALUATE):
        wrapped = option(wrapped)
    return wrapped


@click.command()
@options.model
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0 for any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@TOKEN
@options.task
@click.option(
    "--delay",
    type=click.IntRange(0, options.LONGEST_DELAY),
    default=HEADLINE_DELAY,
    help="Which boosted model's remote, in chunks [6].",
)
@click.option("--sessions", type=click.IntRange(1), default=64, help="Devices at once [64].")
@click.option("--batch", type=click.IntRange(1), default=1, help="Of them in one step [1: exact].")
@click.option("--workers", type=click.IntRange(1), default=1, help="Threads that compute [1].")
@click.option(
    "--queue", type=click.IntRange(1), default=8, help="Frames of each that wait at most [8]."
)
@click.option("--idle", type=click.FloatRange(1), default=30.0, help="Seconds without a word [30].")
@options.verbose
def serve(
    model: Path,
    port: int,
    host: str,
    token_file: Path | None,
    task: str | None,
    delay: int,
    sessions: int,
    batch: int,
    workers: int,
    queue: int,
    idle: float,
) -> None:
    """Serve the remote of the triple in MODEL to `kbbench evaluate --live`, until Ctrl-C."""
    import torch

    from kbbench.live.clock import prompt_threads
    from kbbench.live.limits import Limits
    from kbbench.live.remote import remote_of
    from kbbench.live.server import LOOPBACK, Server
    from kbbench.live.settings import read_token
    from kbbench.models.loading import load_triple

    torch.set_num_threads(1)
    token = read_token(token_file)
    remote = remote_of(load_triple(model, task), delay, batch)
    server = Server(
        remote, Limits(sessions=sessions, queue=queue, idle_s=idle), token, workers, batch
    )
    if host not in LOOPBACK and token is None:
        click.echo("warning: whoever reaches this address is let in; give --token-file", err=True)
    if batch > 1:
        click.echo(server.batching, err=True)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.run(
            host, port, stop, lambda here: click.echo(f"{remote.text} on {host}:{here}")
        )

    with prompt_threads():
        asyncio.run(run())
    click.echo(f"served {server.served} devices, refused {server.refused}")


COMMANDS = (serve,)
