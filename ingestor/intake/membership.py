"""How an ingestor stands at the broker: alone, with a session that is kept, or in a group that takes over for it."""

import asyncio
from typing import Final

import structlog

from broker.contract.topics import DELIVERY, Kind, Topics, shared
from broker.mqtt.publication import KEEPALIVE_S
from broker.mqtt.session import Session, SessionOptions
from ingestor.intake.broker_facts import SUBSCRIPTIONS
from ingestor.intake.pipeline import Pipeline
from ingestor.settings import IngestorSettings

log = structlog.get_logger()

GROUP_KEEPALIVE_S: Final = 10
"""In a group: a broker gives a dead member messages for one and a half of it (MQTT 5 3.1.2.10)."""
QUIET_S: Final = 0.3
"""Once nothing has come for so long after the group was left, the broker has nothing more for us."""
GATHER_S: Final = 0.01
"""Beside the tenth of a second for which a batch gathers it is nothing, and at 1 000 messages a second it saves a fifth
of the processor's time (docs/PERFORMANCE.md)."""
_LOOK_S: Final = 0.02


def session_options(settings: IngestorSettings, topics: Topics) -> SessionOptions:
    """The session of one ingestor.

    Alone it has the broker keep what it misses. A member of a group has nothing kept: a broker goes on to give an
    absent member its share for as long as it keeps the session, and nobody else gets that. What lies at a member that
    dies has no receipt and is sent again by the agents. A session of before, which was kept, is taken up and emptied.
    """
    group = settings.share_group
    if group is not None and "session_expiry_s" in settings.model_fields_set:
        name = settings.variable("session_expiry_s")
        log.warning("setting_ignored", setting=name, reason="nothing is kept for an absent member of a group")
    return SessionOptions(
        settings.client_id,
        clean_start=False,
        session_expiry_s=settings.session_expiry_s if group is None else 0,
        receive_maximum=settings.receive_maximum,
        receive_bytes=settings.intake_mib * 2**20,
        gather_s=GATHER_S,
        keepalive_s=KEEPALIVE_S if group is None else GROUP_KEEPALIVE_S,
        no_local=True,
        ignored=f"/{Kind.RECEIPTS}",
        subscriptions=subscriptions(topics, group),
        optional=SUBSCRIPTIONS,
    )


def subscriptions(topics: Topics, share_group: str | None) -> tuple[tuple[str, int], ...]:
    """The filters of one ingestor.

    One filter of all below the root: MQTT has no exclusion, filters that overlap give a message twice, and a topic that
    the contract does not know must be seen to go to quarantine. What the gateway reads is acknowledged and left alone.
    In a group the status is also taken by each member for itself: shared between two, an offline could overtake
    the online that followed it. A member that comes late gets the retained ones, and so the present state.
    """
    if share_group is None:
        return ((topics.everything(), 1),)
    status = (topics.every(Kind.STATUS), DELIVERY[Kind.STATUS].qos)
    return ((shared(share_group, topics.everything()), 1), status)


async def leave_group(session: Session, pipeline: Pipeline, filters: tuple[tuple[str, int], ...]) -> None:
    """Give the share up and take what the broker has for us yet, until it is stored; then the session can end.

    Raises TimeoutError from the caller's deadline: what is left by then, agents send again.
    """
    await session.unsubscribe(*(name for name, _ in filters))
    clock = asyncio.get_running_loop()
    quiet_at = clock.time()
    while session.connected and clock.time() - quiet_at < QUIET_S:
        await asyncio.sleep(_LOOK_S)
        if session.waiting or pipeline.held or pipeline.writing_since_s is not None:
            quiet_at = clock.time()
