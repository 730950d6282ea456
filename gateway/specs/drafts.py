"""Drafts of specs for unknown products, from the frames that the store keeps of them or from frames that are given."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from pydantic import ValidationError

from broker.errors import ContractError
from gateway.faults import Fault, Kind, Refusal, invalid, refusal_of, unknown
from gateway.specs.models import DraftRequest, UnreadPort
from gateway.specs.store import frames_for_draft, meter_id, newest_frames, unknown_meters, unread_ports
from gateway.specs.unknown import MAX_METERS, Unknown, grouped
from gateway.validation import mismatch
from meters.drafts.draft import Draft, propose
from meters.drafts.survey import RawFrame, without_unit
from meters.telegram import Wire
from store.pool import Pool

MAX_FRAMES: Final = 200
"""The newest frames that a draft is made from."""
MAX_READ: Final = 100
"""Groups whose newest frame is read."""
MAX_PORTS: Final = 1000
FRAMES_FIX: Final = "let its device send some: wattline config set DEVICE raw_frames=true"


class SpecDrafts:
    """Finds what is unknown and proposes specs; drafting runs in a thread, one at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._drafting = asyncio.Lock()

    async def unknown(self) -> list[Unknown]:
        """The groups of unknown meters."""
        return await asyncio.to_thread(grouped, await unknown_meters(self._pool, MAX_METERS))

    async def without_unit(self, groups: Sequence[Unknown]) -> dict[str, tuple[str, ...]]:
        """What lacks a unit in the newest frame of each of the first groups, by group."""
        first = {one.ids[0]: one.group for one in groups[:MAX_READ]}
        frames = {first[one.meter_id]: one.data for one in await newest_frames(self._pool, list(first))}
        return await asyncio.to_thread(
            lambda: {group: without_unit([RawFrame(data)]) for group, data in frames.items()}
        )

    async def unread_ports(self) -> list[UnreadPort]:
        """The ports that speak what Wattline does not read."""
        found = await unread_ports(self._pool, MAX_PORTS)
        return [UnreadPort(**{**asdict(one), "what": one.what or ""}) for one in found]

    async def draft(self, payload: bytes) -> tuple[Draft, int]:
        """A proposal by a DraftRequest, with how many frames it was made from. Raises Refusal."""
        try:
            request = DraftRequest.model_validate_json(payload, strict=True)
        except ValidationError as error:
            raise mismatch(error, tuple(DraftRequest.model_fields)) from error
        frames = await self._frames(request)
        if not frames:
            fault = Fault("meter" if request.meter else "group", "no raw frames are kept of it", FRAMES_FIX)
            raise Refusal(Kind.INVALID, "there is nothing to make a draft from", [fault])
        protocol = Wire(request.protocol) if request.protocol else None
        try:
            async with self._drafting:
                return await asyncio.to_thread(propose, frames, protocol, request.units), len(frames)
        except ContractError as error:
            raise refusal_of(error) from error

    async def _frames(self, request: DraftRequest) -> list[RawFrame]:
        if request.frames is not None:
            return [RawFrame(_octets(number, text)) for number, text in enumerate(request.frames)]
        if request.meter is not None:
            found = await meter_id(self._pool, request.meter)
            if found is None:
                raise unknown("meter", request.meter)
            return await self._kept([found])
        groups = {one.group: one for one in await self.unknown()}
        if request.group not in groups:
            fault = Fault("group", f"no group {str(request.group)[:100]!r}", "GET /api/v1/unknown lists them")
            raise Refusal(Kind.UNKNOWN, f"there is no group {str(request.group)[:100]!r}", [fault])
        return await self._kept(groups[request.group].ids)

    async def _kept(self, meter_ids: Sequence[int]) -> list[RawFrame]:
        found = await frames_for_draft(self._pool, meter_ids, MAX_FRAMES)
        # oldest first, so that a register is seen to rise
        return [
            RawFrame(
                one.data,
                f"frame {one.id} of {one.meter}, {one.at or one.received_at:%Y-%m-%d %H:%MZ}",
                one.line or "",
            )
            for one in reversed(found)
        ]


def _octets(number: int, text: str) -> bytes:
    """A frame in hex or base64."""
    digits = "".join(text.split())
    try:
        return bytes.fromhex(digits)
    except ValueError:
        pass
    try:
        return base64.b64decode(digits, validate=True)
    except ValueError as error:
        raise invalid(f"frames.{number}", "neither hex nor base64", "give the bytes of one frame as hex") from error
