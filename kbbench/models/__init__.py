"""What a user brings: the contract of a triple, its loading, and a ready streaming STFT."""

from kbbench.models.contract import Boosted, Device, Remote, Triple
from kbbench.models.stft import ChunkSTFT

__all__ = ["Boosted", "ChunkSTFT", "Device", "Remote", "Triple"]
