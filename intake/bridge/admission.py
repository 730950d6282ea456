"""Which foreign messages are taken at all: of each topic and each source no more than its share. No I/O."""

from typing import Final

from broker.shares import Share, Shares
from intake.bridge.settings import BridgeSettings

BURST_S: Final = 60.0
"""What a topic may send at once, in seconds of its share."""
_MOST_TOPICS: Final = 20_000


class Admission:
    """Judges messages by their topic, source and size; whoever is over its share is refused until that is half full.

    The shares hold whether others wait or not, so that an operator can tell by the settings what is taken.
    """

    def __init__(self, settings: BridgeSettings) -> None:
        size = settings.source_kib_per_s * 1024
        self._topics = Shares(Share(settings.topic_per_s, size, BURST_S), _MOST_TOPICS)
        self._sources = Shares(Share(settings.source_per_s, size, BURST_S))

    def over(self, source: str, topic: str, size: int, now_s: float) -> str:
        """Why a message is not taken, '' where it is; `now_s` of one monotonic clock."""
        over = self._topics.over(topic, size, now_s, scarce=True)
        if over is not None:
            return f"its topic sent more {over} than it may"
        over = self._sources.over(source, size, now_s, scarce=True)
        return f"its source sent more {over} than it may" if over is not None else ""
