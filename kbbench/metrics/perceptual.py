"""Quality, by the package of the field."""

from __future__ import annotations

from torch import Tensor

from kbbench.metrics.signals import check_full_scale, check_pair
from kbbench.units import SAMPLE_RATE


def pesq_wb(estimate: Tensor, reference: Tensor) -> float:
    """Wide-band PESQ, mean opinion score from 1.04 to 4.64; higher is better.

    PESQ is defined on recordings of 16 bits. The package scales both signals until the louder one
    fits, and so would score a sound that nothing can play: an estimate beyond full scale has no
    value instead.

    Args:
        estimate: (samples,), full scale 1.
        reference: (samples,).

    Raises:
        ValueError: no value: silence, beyond full scale, too short, or no utterance found.

    Source: ITU-T P.862.2, through the package pesq.
    """
    import pesq

    check_pair(estimate, reference)
    check_full_scale(estimate)
    try:
        return float(
            pesq.pesq(SAMPLE_RATE, reference.double().numpy(), estimate.double().numpy(), "wb")
        )
    except (pesq.PesqError, ValueError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"PESQ: {text}") from error
