"""Quality and intelligibility, by the packages of the field."""

from __future__ import annotations

import warnings

from torch import Tensor

from kbbench.units import SAMPLE_RATE


def pesq_wb(estimate: Tensor, reference: Tensor) -> float:
    """Wide-band PESQ, mean opinion score from 1.04 to 4.64; higher is better.

    Args:
        estimate: (samples,).
        reference: (samples,).

    Raises:
        ValueError: no value: silence, too short, or no utterance found.

    Source: ITU-T P.862.2, through the package pesq.
    """
    import pesq

    _check(estimate, reference)
    try:
        return float(
            pesq.pesq(SAMPLE_RATE, reference.double().numpy(), estimate.double().numpy(), "wb")
        )
    except (pesq.PesqError, ValueError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"PESQ: {text}") from error


def stoi(estimate: Tensor, reference: Tensor) -> float:
    """Short-time objective intelligibility, up to 1; higher is better.

    Args:
        estimate: (samples,).
        reference: (samples,).

    Raises:
        ValueError: no value: silence, or less than 0.4 s of speech.

    Source: Taal et al., IEEE TASLP 19(7), 2011, through the package pystoi.
    """
    return _stoi(estimate, reference, extended=False)


def estoi(estimate: Tensor, reference: Tensor) -> float:
    """Extended STOI, for fluctuating noise; arguments, returns, raises as :func:`stoi`.

    Source: Jensen and Taal, IEEE/ACM TASLP 24(11), 2016, through the package pystoi.
    """
    return _stoi(estimate, reference, extended=True)


def _stoi(estimate: Tensor, reference: Tensor, extended: bool) -> float:
    import pystoi

    _check(estimate, reference)
    with warnings.catch_warnings():
        # pystoi warns and returns 1e-5 where it has no value; that is no score.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(
                pystoi.stoi(
                    reference.double().numpy(), estimate.double().numpy(), SAMPLE_RATE, extended
                )
            )
        except (RuntimeWarning, ValueError) as error:
            raise ValueError(f"STOI: {str(error).split('. ')[0]}") from error


def _check(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape or estimate.ndim != 1:
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference {tuple(reference.shape)}, "
            "expected one (samples,) for both"
        )
    for name, signal in (("estimate", estimate), ("reference", reference)):
        if not signal.any():
            raise ValueError(f"{name} is silent")
