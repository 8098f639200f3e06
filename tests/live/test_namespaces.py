"""Two network namespaces with ``tc netem`` between them, where the machine allows that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.files import served, write_tiny

pytest.importorskip("websockets", reason="websockets is not installed: kbbench[live]")
pytestmark = pytest.mark.network

REMOTE, DEVICE = f"kbr{os.getpid()}", f"kbd{os.getpid()}"
REMOTE_IP, DEVICE_IP = "10.213.77.1", "10.213.77.2"
NETEM = ["delay", "20ms", "5ms", "loss", "1%", "reorder", "5%", "rate", "20mbit"]
"""Of each direction."""


def ip(*words: str, inside: str | None = None, tool: str = "ip") -> None:
    before = ["ip", "netns", "exec", inside] if inside else []
    subprocess.run([*before, tool, *words], check=True, capture_output=True, text=True)


@pytest.fixture
def apart() -> Iterator[None]:
    """Two namespaces, and a bad network between them."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("network namespaces need root, and the commands ip and tc")
    try:
        for name in (REMOTE, DEVICE):
            ip("netns", "add", name)
        ip("link", "add", "kb0", "netns", REMOTE, "type", "veth", "peer", "kb0", "netns", DEVICE)
        for name, address in ((REMOTE, REMOTE_IP), (DEVICE, DEVICE_IP)):
            ip("addr", "add", f"{address}/30", "dev", "kb0", inside=name)
            ip("link", "set", "kb0", "up", inside=name)
            words = ["qdisc", "add", "dev", "kb0", "root", "netem", *NETEM]
            ip(*words, inside=name, tool="tc")
    except subprocess.CalledProcessError as error:
        remove()
        why = " ".join(error.stderr.split())[:120]
        pytest.skip(f"no namespaces with tc netem here ({why}); the shaper's tests stand in")
    yield
    remove()


def remove() -> None:
    for name in (REMOTE, DEVICE):
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.parametrize("transport", ["websocket", "udp"])
def test_live_between_namespaces_is_its_replay(apart: None, transport: str, tmp_path: Path) -> None:
    model = write_tiny(tmp_path)
    inside = ("ip", "netns", "exec", REMOTE)
    with served(model, "--host", REMOTE_IP, before=inside) as here:
        command = [sys.executable, "-m", "tests.live.apart", str(model), REMOTE_IP]
        found = subprocess.run(
            ["ip", "netns", "exec", DEVICE, *command, str(here.port), transport],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["same"] is True
    assert result["used"] > 100
    assert result["median_age"] >= 4, "20 ms there and 20 ms back"
