"""Sound on the wire: not a bit is lost, and frames are pieced together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kbbench.audio import to_float
from kbbench.errors import InputError
from kbbench.live.compute import from_bytes, to_bytes
from kbbench.live.samples import CODINGS, Frames, as_tensor
from kbbench.models.frames import frames
from kbbench.streaming import as_sent
from kbbench.units import CHUNK


@given(hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_samples_of_a_file_survive_both_codings(pcm: np.ndarray) -> None:
    samples = to_float(pcm).astype(np.float32)
    for coding in CODINGS.values():
        coding.check("x", samples)
        again = coding.decode(coding.encode(samples), len(samples))
        assert again.dtype == np.float32 and np.array_equal(again, samples)
    assert len(CODINGS["pcm16"].encode(samples)) == 2 * samples.size


@given(hnp.arrays(np.float32, (2, 5), elements=st.floats(width=32, allow_nan=False)))
def test_float32_holds_everything(samples: np.ndarray) -> None:
    coding = CODINGS["float32"]
    assert coding.decode(coding.encode(samples), 2).tobytes() == samples.tobytes()


@pytest.mark.parametrize("value", [0.1, 1.0, 2.0, float("nan"), float("inf")])
def test_what_16_bits_do_not_hold_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="mixture a: pcm16 does not hold it exactly; give --audio"):
        CODINGS["pcm16"].check("mixture a", np.full((2, 3), value, dtype=np.float32))


@pytest.mark.parametrize("lookahead", [0, 1, 64])
def test_frames_are_those_that_a_model_hears(lookahead: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mixture = torch.randn(1, 2, 5 * CHUNK - 9, generator=generator)
    coding = CODINGS["float32"]
    joined = Frames(2, lookahead, coding)
    for k, frame in enumerate(frames(mixture, lookahead)):
        whole = k == 0 or k == 3
        sent = frame[0].numpy() if whole else frame[0, :, lookahead:].numpy()
        found = joined.add(k, whole, coding.encode(sent))
        assert found is not None and np.array_equal(found, frame[0].numpy())


def test_a_frame_whose_beginning_was_lost_is_none() -> None:
    coding = CODINGS["pcm16"]
    joined = Frames(2, 64, coding)
    part, whole = (coding.encode(np.zeros((2, n), np.float32)) for n in (CHUNK, CHUNK + 64))
    assert joined.add(0, False, part) is None
    assert joined.add(1, True, whole) is not None
    assert joined.add(3, False, part) is None
    assert joined.add(2, False, part) is not None
    for data in (part, whole[:-1], b""):
        with pytest.raises(ValueError, match="bytes of sound for 192 samples"):
            joined.add(4, True, data)


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (97, 4)])
def test_hints_of_every_type_arrive_as_they_do_offline(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    hint = 9 * torch.rand(1, *shape, generator=generator)
    again = from_bytes(to_bytes(hint.to(dtype)[0]), dtype, shape)
    assert torch.equal(again, as_sent(hint, dtype))
    assert again.dtype == torch.float32 and again.is_contiguous()
    with pytest.raises(ValueError, match="bytes for a hint"):
        from_bytes(to_bytes(hint.to(dtype)[0]) + b"x", dtype, shape)


def test_memory_lies_as_torch_lays_it() -> None:
    odd = np.frombuffer(b"x" + bytes(2 * 10 * 4), dtype=np.uint8)[1:].view(np.float32)
    tensor = as_tensor(odd.reshape(2, 10))
    assert tensor.shape == (1, 2, 10) and tensor.data_ptr() % 64 == 0
