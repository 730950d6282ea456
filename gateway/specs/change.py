"""What a change of published specs does to meters: those of its protocol are matched anew."""

from gateway.desired.change import Change
from gateway.fleet.meters import assign, from_stored
from gateway.specs.store import devices_of_protocol, removed_with_frames
from meters.specs.spec import Spec


async def match_anew(change: Change, protocol: str | None = None) -> tuple[str, ...]:
    """Take a change of the published specs into its catalogue, and match all meters of a protocol by it.

    Returns the devices that got another configuration.
    """
    await change.renew()
    if protocol is None:
        return ()
    return tuple(await change.rebuild(await devices_of_protocol(change.connection, protocol)))


async def removed_meters(change: Change, spec: Spec) -> dict[str, str]:
    """Removed meters that this spec fits best, by key: their history can be filled still."""
    stored = await removed_with_frames(change.connection, spec.match.protocol)
    meters = [from_stored(one) for one in stored]
    assigned = assign(change.catalogue.candidates(), meters, {})
    return {key: spec.ref for key, config in assigned.items() if config.spec == spec.ref}
