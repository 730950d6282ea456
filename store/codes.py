"""The small numbers that stand for words in `reading.source` and `message.kind`; migration 0001 names them in SQL."""

from broker.contract.messages import Clock, Source
from broker.contract.topics import Kind

SOURCE_CODES: dict[tuple[Source, Clock], int] = {
    (source, clock): 4 * group + number
    for group, clock in enumerate((Clock.SYNCED, Clock.METER, Clock.UNSYNCED))
    for number, source in enumerate((Source.LIVE, Source.BACKFILL, Source.PROFILE, Source.REDECODED))
}
"""`reading.source`, as table reading_source has it."""

KIND_CODES: dict[Kind, int] = {Kind.READINGS: 1, Kind.FRAMES: 2, Kind.EVENTS: 3}
"""`message.kind` of the kinds that the ledger enters, as table message_kind has it."""
