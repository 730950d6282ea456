"""What a scanner of any protocol finds, and where."""

from dataclasses import dataclass

from broker.errors import FrameError
from meters.telegram import Frame


@dataclass(frozen=True, slots=True)
class Located:
    """A frame or failure with its place in the stream, `start` to before `end`."""

    start: int
    end: int
    event: Frame | FrameError
