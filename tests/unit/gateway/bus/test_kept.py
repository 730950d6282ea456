"""Whether a message that waited as a gateway ended is dealt with by its next start."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.bus.kept import AT_ONCE, NOTHING, is_overtaken
from gateway.bus.store import KeptMessage

AT = datetime(2026, 11, 29, 13, 9, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "now", "overtaken"),
    [
        (AT, AT, False),
        (NOTHING, NOTHING, False),
        (AT, LATER, True),
        (NOTHING, AT, True),
        # whoever's clock was behind
        (LATER, AT, True),
        # of a gateway of before, which kept it and then dealt with what had come first
        (None, AT - timedelta(days=1), False),
        (None, AT + AT_ONCE, False),
        (None, AT + AT_ONCE + timedelta(seconds=1), True),
    ],
)
def test_what_was_dealt_with_since_goes_before(before: datetime | None, now: datetime, overtaken: bool) -> None:
    """Told by the mark of what had been dealt with as it was kept, and not by clocks."""
    assert is_overtaken(KeptMessage("t", b"", AT, before), now) is overtaken
