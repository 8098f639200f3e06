"""The lower bound: the estimate of every source is the mixture itself.

SI-SDR improvement is 0 dB at every delay, and the gap is empty. Copy this file to begin a triple of
your own: it holds all that the benchmark asks for, the streaming form included.

Hints: (B, K, 0). Nothing is sent.
"""

from torch import Tensor, nn

from kbbench.models import Boosted, Triple
from kbbench.units import CHUNK, chunk_count


class Passthrough(nn.Module):
    """A device that gives back what it hears, once for each source; it looks at no hint."""

    def __init__(self, sources: int) -> None:
        super().__init__()
        self.sources = sources

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor:
        """Mixture (B, C, T) to estimates (B, S, C, T)."""
        return mixture[:, None].repeat(1, self.sources, 1, 1)

    def start(self, batch: int, enrollment: Tensor | None = None) -> None:
        """There is nothing to remember."""

    def step(
        self, frame: Tensor, state: None, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """Frame (B, C, 192) to its chunk (B, S, C, 128): the look-ahead is not used."""
        return self(frame[..., :CHUNK]), state


class Silent(Passthrough):
    """A remote that gives back what it hears, beside hints that are empty."""

    def forward(
        self, mixture: Tensor, *, enrollment: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mixture (B, C, T) to estimates (B, S, C, T) and hints (B, K, 0)."""
        hints = mixture.new_zeros(mixture.shape[0], chunk_count(mixture.shape[-1]), 0)
        return super().forward(mixture), hints

    def step(self, frame: Tensor, state: None) -> tuple[Tensor, Tensor, None]:
        """Frame (B, C, 192) to its chunk (B, S, C, 128) and a hint (B, 0)."""
        estimate, hints = self(frame[..., :CHUNK])
        return estimate, hints[:, 0], state


def triple(task: str = "enhancement") -> Triple:
    """The same for every task; separation has two sources, the others one."""
    sources = 2 if task == "separation" else 1
    device, remote = Passthrough(sources), Silent(sources)
    return Triple("passthrough", task, device, remote, Boosted(device, remote))
