"""A device in a process of its own: ``python -m tests.live.apart MODEL HOST PORT TRANSPORT``.

It streams two seconds, replays them offline, and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kbbench.channel import NO_HINT
from kbbench.live.clock import RealClock, prompt_threads
from kbbench.models.loading import load_triple
from tests.live.running import lives, noise, offer, replay


def main() -> None:
    from kbbench.live.connection import Target
    from kbbench.live.link import Link

    model, host, port, transport = sys.argv[1:]
    torch.set_num_threads(1)
    triple = load_triple(Path(model), "separation")
    mixture = noise(250)
    target: Any = Target(host, int(port), transport=transport)  # type: ignore[arg-type]
    with prompt_threads(), Link(target, offer(triple), 64) as link:
        lived = lives(link, triple, mixture, clock=RealClock(64))
    same = np.array_equal(replay(triple, mixture, lived).numpy(), lived.estimates)
    seen = lived.seen[lived.seen != NO_HINT]
    ages = np.flatnonzero(lived.seen != NO_HINT) - seen
    print(json.dumps({"same": same, "used": len(seen), "median_age": float(np.median(ages))}))


if __name__ == "__main__":
    main()
