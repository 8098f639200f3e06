"""The network between remote and device, as one integer vector.

A channel is a function from the number of chunks and a random stream to ``seen``: at step k the
device may use hint ``seen[k]``, or none where it is -1; ``age[k] = k - seen[k]``. Nothing else
moves a hint in time, offline or streaming.
"""

from kbbench.channel.base import Channel, newest
from kbbench.channel.delivery import Delivered, deliver
from kbbench.channel.fixed import fixed, off
from kbbench.channel.gilbert_elliott import gilbert_elliott
from kbbench.channel.index import NO_HINT, Seen
from kbbench.channel.jitter import jitter
from kbbench.channel.parse import CHANNELS, parse_channel
from kbbench.channel.recording import RecordedMixture, Recording
from kbbench.channel.statistics import LinkStatistics, link_statistics
from kbbench.channel.trace import trace

__all__ = [
    "CHANNELS",
    "NO_HINT",
    "Channel",
    "Delivered",
    "LinkStatistics",
    "RecordedMixture",
    "Recording",
    "Seen",
    "deliver",
    "fixed",
    "gilbert_elliott",
    "jitter",
    "link_statistics",
    "newest",
    "off",
    "parse_channel",
    "trace",
]
