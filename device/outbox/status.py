"""What the status says of the outbox, and when it is sent again without a reconnect."""

import random
from typing import Final

from broker.contract.messages import OutboxState
from device.clock import DeviceClock
from device.outbox.outbox import Outbox
from device.outbox.resending import Resending

CHECK_S: Final = 10.0
LATE_S: Final = 60.0
"""What has waited for less is under way. The view `outbox_overview` has the same limit."""
AGAIN_S: Final = 60.0
AGAIN_CAP_S: Final = 3600.0
"""While something is late the status is sent again after this long, then twice as long each time, up to the cap."""
JITTER: Final = 1.5
"""An outage begins for a whole fleet at once: each agent takes up to so many times as long."""


class OutboxStatus:
    """Says how much waits, and for how long; a device whose messages are confirmed in time says nothing more."""

    def __init__(self, outbox: Outbox, resending: Resending, clock: DeviceClock) -> None:
        self._outbox = outbox
        self._resending = resending
        self._clock = clock
        self._check_at_s = 0.0
        self._late_sent = False
        self._sent_s = 0.0
        self._again_s = AGAIN_S
        self._jitter = random.uniform(1.0, JITTER)  # noqa: S311 - keeps a fleet apart

    def state(self) -> OutboxState:
        """What waits now; reads at most one segment."""
        return OutboxState(
            at=self._clock.now(),
            waiting=self._outbox.waiting,
            waiting_for_s=round(self._outbox.oldest_age_s(), 1),
            unconfirmed=self._outbox.unconfirmed,
            unconfirmed_for_s=round(self._resending.oldest_s(), 1),
        )

    def sent(self, state: OutboxState, now_s: float) -> None:
        """Note which state was sent, at the monotonic time `now_s`."""
        late = is_late(state)
        self._again_s = min(AGAIN_CAP_S, 2 * self._again_s) if late and self._late_sent else AGAIN_S
        self._late_sent, self._sent_s = late, now_s

    def due(self, now_s: float) -> bool:
        """Whether the status is to be sent again: something is late, or no longer. Checked every CHECK_S."""
        if now_s < self._check_at_s:
            return False
        self._check_at_s = now_s + CHECK_S
        state = self.state()
        if self._late_sent:
            return not is_late(state) or now_s - self._sent_s >= self._again_s * self._jitter
        return is_late(state, self._jitter)


def is_late(state: OutboxState, times: float = 1.0) -> bool:
    """Whether something has waited for longer than what is merely under way, or so many times as long."""
    return max(state.waiting_for_s, state.unconfirmed_for_s) >= LATE_S * times
