"""The index vector that every link comes down to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Seen = NDArray[np.int64]
"""(K,): the hint that the device may use at each step, or ``NO_HINT``."""
NO_HINT = -1
"""In ``seen`` and ``age`` where no hint has arrived, and the arrival of a hint that never came."""
