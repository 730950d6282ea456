"""Whether the host application that an edge node waits for is there, by its STATE (Sparkplug 3.0, 5.3). No I/O."""

from broker.sparkplug.topics import read_state, state_topic


class PrimaryHost:
    """The state of one host, as the connection that stands has it; without an id nobody is waited for."""

    def __init__(self, host: str) -> None:
        self.topic = state_topic(host) if host else ""
        self.online = not host
        """What the last valid message said; not while a connection has brought none."""
        self._newest_ms = -1
        self._online_ms = -1

    def connecting(self) -> None:
        """Another connection: what is retained comes by it again, and says what holds there."""
        self.online = not self.topic

    def hear(self, topic: str, payload: bytes) -> bool | None:
        """Whether the host is there by this message; None for one that says nothing of it, or came too late.

        The will of a connection that the host has lost may come after the birth of its next one: such a message has an
        older time than that birth, and ends nothing. Raises ContractError for one that can't be read.
        """
        if topic != self.topic:
            return None
        online, at_ms = read_state(payload)
        if at_ms < (self._newest_ms if online else self._online_ms):
            return None
        self.online, self._newest_ms = online, max(at_ms, self._newest_ms)
        if online:
            self._online_ms = at_ms
        return online

    def says(self) -> str:
        """For /healthz, where it is away."""
        return "" if self.online else f"waits for the primary host: nothing on {self.topic} says that it is online"
