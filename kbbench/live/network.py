"""Networks by name: what each way does to a message, and where the figures are from.

A preset stands for a kind of link, not for the reader's own: measure that, and give it as
``custom:...``. What a source does not say is marked as ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kbbench.channel.base import Option, number
from kbbench.channel.jitter import DISTRIBUTIONS
from kbbench.errors import InputError


@dataclass(frozen=True)
class Way:
    """One direction.

    Args:
        mean_ms: mean time on the way, waiting for the rate aside.
        std_ms: its standard deviation, drawn anew for each message; 0 is a fixed time.
        least_ms: what it never falls below.
        loss: share of messages that are lost, each by itself.
        rate_kbit_s: how fast bits go in, one message after the other; None where it does not
            matter.
        distribution: of the time, as in :mod:`kbbench.channel.jitter`.
    """

    mean_ms: float
    std_ms: float = 0.0
    least_ms: float = 0.0
    loss: float = 0.0
    rate_kbit_s: float | None = None
    distribution: str = "gamma"


@dataclass(frozen=True)
class Network:
    """Both directions between a device and its remote.

    Args:
        name: as it stands in reports.
        up: device to remote.
        down: remote to device.
        seed: of what is drawn.
        source: of the figures.
    """

    name: str
    up: Way
    down: Way
    seed: int = 0
    source: str = ""

    @property
    def definition(self) -> dict[str, object]:
        """All that decides what it does, for a run's hash."""
        return {key: value for key, value in asdict(self).items() if key != "source"}


PRESETS: dict[str, Network] = {
    "lan": Network(
        "lan",
        up=Way(0.2, 0.05, 0.1, rate_kbit_s=1e6),
        down=Way(0.2, 0.05, 0.1, rate_kbit_s=1e6),
        source="Rate: IEEE 802.3, 1000BASE-T. Times are ours: two switches that store and forward "
        "a full frame take 12 us each, the hosts the rest.",
    ),
    "wifi-6": Network(
        "wifi-6",
        up=Way(3.5, 1.9, 1.0, rate_kbit_s=600_400),
        down=Way(3.5, 1.9, 1.0, rate_kbit_s=600_400),
        source="99th percentile under 10 ms at 80 MHz: 'Experimental evaluation of IEEE 802.11ax: "
        "low latency and high reliability with Wi-Fi 6?' (abstract); taken for each way, its gamma "
        "shape is ours. Rate: IEEE 802.11ax-2021, 80 MHz, one stream, MCS 11. What the radio loses "
        "it sends again, so nothing is lost here.",
    ),
    "5g-edge": Network(
        "5g-edge",
        up=Way(10.0, 2.0, 7.0, loss=1e-6, rate_kbit_s=50_000),
        down=Way(8.0, 1.0, 7.0, loss=1e-6, rate_kbit_s=100_000),
        source="Least one-way time: Kottkamp, '5G NR and LTE latency analysis in a public "
        "network', Rohde & Schwarz, 2022 (best case under 7 ms, worst 18 ms in uplink). Mean of "
        "the uplink, and loss: 3GPP TS 23.501, table 5.7.4-1, 5QI 80 (10 ms, 1e-6). Rates: ITU-R "
        "M.2410, user experienced. The spread is ours.",
    ),
    "4g": Network(
        "4g",
        up=Way(35.0, 6.0, 25.0, loss=1e-3, rate_kbit_s=12_000),
        down=Way(35.0, 6.0, 25.0, loss=1e-3, rate_kbit_s=12_000),
        source="Round trip and rate: WebPageTest's profile 'LTE' (70 ms, 12 Mbit/s). Loss, and 50 "
        "ms that few packets exceed: 3GPP TS 23.203, table 6.1.7-A, QCI 3. The spread is ours.",
    ),
    "ble-phone": Network(
        "ble-phone",
        up=Way(3.75, 2.16, distribution="uniform", rate_kbit_s=1_327),
        down=Way(3.75, 2.16, distribution="uniform", rate_kbit_s=1_327),
        source="A message waits for the next connection event, 0 to 7.5 ms: Bluetooth Core, vol. "
        "6, part B, 4.5.1 (least connection interval). Rate: Nordic S140 SoftDevice Specification, "
        "GATT throughput, LE 2M PHY, one way at a time (1327.5 kbit/s; here each way has as much, "
        "which is more than there is). The link layer sends again what is lost.",
    ),
}
"""By name. Times are of one way."""
WAY_OPTIONS = ("mean_ms", "std_ms", "least_ms", "loss", "rate_kbit_s")
HIGHEST = {"loss": 0.99}


def parse_network(text: str) -> Network:
    """A network from ``PRESET``, ``PRESET:seed=3``, or ``custom:mean_ms=20,std_ms=5,loss=0.01``.

    Options change both ways of a preset; ``custom`` begins with none of them.

    >>> parse_network("4g:loss=0.05").up.loss
    0.05

    Raises:
        InputError: no such preset or option, or a value out of range.
    """
    name, _, rest = text.partition(":")
    if name not in PRESETS and name != "custom":
        close = difflib.get_close_matches(name, [*PRESETS, "custom"], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError(f"network {name!r}: expected {', '.join(PRESETS)} or custom:...{hint}")
    base = PRESETS.get(name) or Network("custom", Way(0.0), Way(0.0))
    options = _options(text, rest)
    seed = int(options.pop("seed", 0))
    up, down = (_changed(text, way, options) for way in (base.up, base.down))
    return Network(text, up, down, seed, base.source)


def _options(text: str, rest: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for piece in rest.split(",") if rest else []:
        name, _, value = piece.partition("=")
        if name not in (*WAY_OPTIONS, "seed") or name in found:
            known = ", ".join((*WAY_OPTIONS, "seed"))
            raise InputError(f"network {text!r}: {piece!r}, expected options {known}, each once")
        try:
            found[name] = number(name, float(value), 0.0, HIGHEST.get(name, float("inf")))
        except ValueError as error:
            wanted = error if isinstance(error, InputError) else "expected a number"
            raise InputError(f"network {text!r}: {piece!r}: {wanted}") from error
    return found


def _changed(text: str, way: Way, options: Mapping[str, Option]) -> Way:
    changed = Way(**{**asdict(way), **options})
    if changed.rate_kbit_s == 0:
        raise InputError(f"network {text!r}: rate_kbit_s = 0, nothing would ever arrive")
    if changed.mean_ms < changed.least_ms or (
        changed.std_ms > 0 and changed.mean_ms == changed.least_ms
    ):
        raise InputError(
            f"network {text!r}: mean_ms = {changed.mean_ms:g}, expected more than "
            f"least_ms = {changed.least_ms:g}"
        )
    assert changed.distribution in DISTRIBUTIONS
    return changed
