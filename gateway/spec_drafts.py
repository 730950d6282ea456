"""Drafts of specs for unknown products, from the frames that the store keeps of them or from frames that are given."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from broker.errors import ContractError
from gateway.layers import Problem
from gateway.problem import ApiError, invalid, not_found, wrong
from gateway.spec_models import DraftRequest, UnreadPort
from gateway.spec_unknown import MAX_METERS, Unknown, grouped
from gateway.sql import load
from meters.draft import Draft, propose
from meters.draft_seen import RawFrame, without_unit
from meters.telegram import Wire
from store.pool import Pool

MAX_FRAMES: Final = 200
"""The newest frames that a draft is made from."""
MAX_LOOKED: Final = 100
"""Groups whose newest frame is looked into."""
MAX_PORTS: Final = 1000
FRAMES_FIX: Final = "let its device send some: wattline config set DEVICE raw_frames=true"


class SpecDrafts:
    """Finds what is unknown and proposes specs; drafting runs in a thread, one at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._drafting = asyncio.Lock()

    async def unknown(self) -> list[Unknown]:
        """The groups of unknown meters."""
        rows = await self._pool.fetch(load("unknown_meters"), MAX_METERS)
        return await asyncio.to_thread(grouped, rows)

    async def without_unit(self, groups: Sequence[Unknown]) -> dict[str, tuple[str, ...]]:
        """What lacks a unit in the newest frame of each of the first groups, by group."""
        first = {one.ids[0]: one.group for one in groups[:MAX_LOOKED]}
        rows: list[Any] = await self._pool.fetch(load("newest_frames"), list(first))
        frames = {first[row["meter_id"]]: row["data"] for row in rows}
        return await asyncio.to_thread(
            lambda: {group: without_unit([RawFrame(data)]) for group, data in frames.items()}
        )

    async def unread_ports(self) -> list[UnreadPort]:
        """The ports that speak what Wattline does not read."""
        rows: list[Any] = await self._pool.fetch(load("unread_ports"), MAX_PORTS)
        return [UnreadPort(**{**dict(row), "what": row["what"] or ""}) for row in rows]

    async def draft(self, payload: bytes) -> tuple[Draft, int]:
        """A proposal by a DraftRequest, with how many frames it was made from. Raises ApiError."""
        try:
            request = DraftRequest.model_validate_json(payload, strict=True)
        except ValidationError as error:
            raise invalid(error, tuple(DraftRequest.model_fields)) from error
        frames = await self._frames(request)
        if not frames:
            fault = Problem("meter" if request.meter else "group", "no raw frames are kept of it", FRAMES_FIX)
            raise ApiError(422, "there is nothing to make a draft from", [fault])
        protocol = Wire(request.protocol) if request.protocol else None
        try:
            async with self._drafting:
                return await asyncio.to_thread(propose, frames, protocol, request.units), len(frames)
        except ContractError as error:
            raise wrong(error.field, error.reason, error.fix) from error

    async def _frames(self, request: DraftRequest) -> list[RawFrame]:
        if request.frames is not None:
            return [RawFrame(_octets(number, text)) for number, text in enumerate(request.frames)]
        if request.meter is not None:
            found = await self._pool.fetchval("SELECT id FROM meter WHERE key = $1", request.meter)
            if found is None:
                raise not_found("meter", request.meter)
            return await self._kept([found])
        groups = {one.group: one for one in await self.unknown()}
        if request.group not in groups:
            fault = Problem("group", f"no group {str(request.group)[:100]!r}", "GET /api/v1/unknown lists them")
            raise ApiError(404, f"there is no group {str(request.group)[:100]!r}", [fault])
        return await self._kept(groups[request.group].ids)

    async def _kept(self, meter_ids: Sequence[int]) -> list[RawFrame]:
        rows: list[Any] = await self._pool.fetch(load("frames_for_draft"), list(meter_ids), MAX_FRAMES)
        # oldest first, so that a register is seen to rise
        return [
            RawFrame(
                row["data"],
                f"frame {row['id']} of {row['meter']}, {row['at'] or row['received_at']:%Y-%m-%d %H:%MZ}",
                row["line"] or "",
            )
            for row in reversed(rows)
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
        raise wrong(f"frames.{number}", "neither hex nor base64", "give the bytes of one frame as hex") from error
