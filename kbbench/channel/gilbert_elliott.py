"""Loss in bursts: a two-state Markov chain loses packets, the others arrive after a fixed time.

Sources: Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39(5), 1960
(the two states; loss in the bad one); Elliott, "Estimates of error rates for codes on burst-noise
channels", BSTJ 42(5), 1963 (loss in the good one too).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.base import Channel, from_latency, number
from kbbench.rng import Stream
from kbbench.units import HEADLINE_DELAY, milliseconds


def gilbert_elliott(
    to_bad: float,
    to_good: float,
    delay_ms: float = milliseconds(HEADLINE_DELAY),
    loss_good: float = 0.0,
    loss_bad: float = 1.0,
) -> Channel:
    """Packets, one hint each, that are lost in bursts.

    In the long run a share ``to_bad / (to_bad + to_good)`` of packets falls in the bad state. With
    the default losses (Gilbert's simple model) this is the loss rate, and a burst of losses is
    ``1 / to_good`` packets long on average.

    Args:
        to_bad: probability that a good packet is followed by a bad one (Gilbert's P).
        to_good: probability that a bad packet is followed by a good one (Gilbert's p).
        delay_ms: from sending to arrival of what is not lost.
        loss_good: probability of loss in the good state (Elliott's 1 - k).
        loss_bad: probability of loss in the bad state (Gilbert's 1 - h).

    Raises:
        InputError: no probability, no time, or nothing arrives.
    """
    options = {
        "to_bad": number("to_bad", to_bad, high=1.0),
        "to_good": number("to_good", to_good, above=True, high=1.0),
        "delay_ms": number("delay_ms", delay_ms),
        "loss_good": number("loss_good", loss_good, high=1.0),
        "loss_bad": number("loss_bad", loss_bad, high=1.0),
    }

    def latency_ms(chunks: int, stream: Stream) -> NDArray[np.float64]:
        # The chain starts in its long-run distribution, so that early chunks are as any other.
        bad = stream.uniform(0.0, 1.0) * (to_bad + to_good) < to_bad
        latency = np.empty(chunks)
        for k, (loss, change) in enumerate(stream.units(2 * chunks).reshape(chunks, 2)):
            latency[k] = np.inf if loss < (loss_bad if bad else loss_good) else delay_ms
            bad = change < (1.0 - to_good if bad else to_bad)
        return latency

    return from_latency(gilbert_elliott, options, latency_ms)
