"""Routes that get and set parameters, of one device and of the fleet."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel

from gateway.api_models import ChangeQuery, DeviceParameters, FleetParameters, LayerView
from gateway.api_route import Answer, Call, Route, require_match
from gateway.database import Connection
from gateway.desired import change_layer, configuring, latest_layer, load_states, read_layer
from gateway.layers import FLEET, Layer, ParameterLayer, ParameterPatch, compose, device_scope
from gateway.problem import not_found
from gateway.publisher import Publisher
from gateway.signals import Signals
from gateway.sql import load
from gateway.views import drift, in_step, report_view
from store.pool import Pool

Handler = Callable[[Call], Awaitable[Answer]]


class ParameterRoutes:
    """Parameters by scope. A change is committed, published, and answered with its version."""

    def __init__(self, pool: Pool, publisher: Publisher, signals: Signals) -> None:
        self._pool = pool
        self._publisher = publisher
        self._signals = signals

    def routes(self) -> list[Route]:
        """The routes served here."""
        return [
            *self._of("/devices/{device}/parameters", "Device", "a device", DeviceParameters,
                      (self.get_device, self.patch_device, self.put_device)),
            *self._of("/parameters", "Fleet", "the fleet", FleetParameters,
                      (self.get_fleet, self.patch_fleet, self.put_fleet)),
        ]  # fmt: skip

    @staticmethod
    def _of(path: str, name: str, whose: str, view: type[BaseModel], handlers: tuple[Handler, ...]) -> list[Route]:
        """GET, PATCH and PUT of one scope."""
        fields = {"device": "The device's id."} if "{device}" in path else {}
        get, patch, put = handlers
        kept = f"Set some parameters of {whose}; null gives one back to the layers below."
        told = f"Parameters of {whose}: what holds, and from which layers."
        replaced = f"Replace all that {whose} sets of its own."
        query, whole = ChangeQuery, ParameterLayer
        return [
            Route("GET", path, f"get{name}Parameters", told, get, view, None, None, fields, etag=True),
            Route("PATCH", path, f"patch{name}Parameters", kept, patch, view, query, ParameterPatch, fields, etag=True),
            Route("PUT", path, f"put{name}Parameters", replaced, put, view, query, whole, fields, etag=True),
        ]

    async def get_device(self, call: Call) -> Answer:
        """GET /devices/{device}/parameters."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            return await self._view_device(connection, call.path["device"])

    async def patch_device(self, call: Call) -> Answer:
        """PATCH /devices/{device}/parameters."""
        return await self._change_device(call, replace=False)

    async def put_device(self, call: Call) -> Answer:
        """PUT /devices/{device}/parameters."""
        return await self._change_device(call, replace=True)

    async def get_fleet(self, call: Call) -> Answer:  # noqa: ARG002
        """GET /parameters."""
        async with self._pool.acquire() as connection:
            return await self._view_fleet(connection)

    async def patch_fleet(self, call: Call) -> Answer:
        """PATCH /parameters."""
        return await self._change_fleet(call, replace=False)

    async def put_fleet(self, call: Call) -> Answer:
        """PUT /parameters."""
        return await self._change_fleet(call, replace=True)

    async def _change_device(self, call: Call, *, replace: bool) -> Answer:
        device = call.path["device"]
        async with configuring(self._pool) as connection:
            before = await self._view_device(connection, device)
            require_match(call, before, "the parameters")
            await self._change(connection, device_scope(device), call, device=device, replace=replace)
            after = await self._view_device(connection, device)
        # also where nothing changed: a repeat after a lost answer must end with the device in step
        self._publisher.mark(device)
        view = after.document
        if call.query.wait_s and isinstance(view, DeviceParameters) and view.version is not None:
            await self._wait({device: view.version}, call.query.wait_s)
            return await self.get_device(call)
        return after

    async def _change_fleet(self, call: Call, *, replace: bool) -> Answer:
        async with configuring(self._pool) as connection:
            require_match(call, await self._view_fleet(connection), "the parameters")
            changed = await self._change(connection, FLEET, call, device=None, replace=replace)
            versions = {
                row["name"]: row["version"] for row in await connection.fetch(load("desired_versions"), changed)
            }
        self._publisher.mark(*changed)
        pending = await self._wait(versions, call.query.wait_s)
        async with self._pool.acquire() as connection:
            return await self._view_fleet(connection, changed=tuple(changed), pending=pending)

    async def _change(
        self, connection: Connection, scope: str, call: Call, *, device: str | None, replace: bool
    ) -> list[str]:
        own = await latest_layer(connection, scope)
        layer = (own.model_copy(update={"parameters": {}}) if replace else own).patched(call.changes)
        device_id = None
        if device is not None:
            device_id = await connection.fetchval("SELECT id FROM device WHERE name = $1", device)
        query: ChangeQuery = call.query
        return await change_layer(
            connection,
            scope,
            layer,
            author=query.author,
            reason=query.reason,
            device_id=device_id,
            shelf=await self._publisher.renew(connection),
        )

    async def _wait(self, versions: Mapping[str, int], wait_s: float) -> tuple[str, ...]:
        """Wait until these devices have reported these versions or later; returns those that have not in time."""
        deadline = time.monotonic() + wait_s
        pending = dict(versions)
        with self._signals.watching(versions) as reported:
            while True:
                reported.clear()
                rows = await self._pool.fetch(load("reported_versions"), list(pending))
                for row in rows:
                    if row["version"] >= pending[row["name"]]:
                        del pending[row["name"]]
                left_s = deadline - time.monotonic()
                if not pending or left_s <= 0:
                    return tuple(sorted(pending))
                try:
                    await asyncio.wait_for(reported.wait(), left_s)
                except TimeoutError:
                    return tuple(sorted(pending))

    async def _view_device(self, connection: Connection, device: str) -> Answer:
        row = await connection.fetchrow(load("device_detail"), device)
        if row is None:
            raise not_found("device", device)
        device_id = await connection.fetchval("SELECT id FROM device WHERE name = $1", device)
        state = (await load_states(connection, [device_id]))[0]
        layers = (await _layer_view(connection, FLEET), await _layer_view(connection, device_scope(device)))
        report = report_view(row)
        desired = state.desired
        document = None if desired is None else desired.model_dump(mode="json")
        view = DeviceParameters(
            device=device,
            version=row["desired_version"],
            effective=state.parameters(),
            layers=layers,
            reported=report,
            in_step=in_step(row),
            drift=drift(document, report),
        )
        return Answer(view, etag=f'"{layers[0].version}.{layers[1].version}.{row["desired_version"] or 0}"')

    async def _view_fleet(
        self, connection: Connection, changed: tuple[str, ...] = (), pending: tuple[str, ...] = ()
    ) -> Answer:
        layer = await _layer_view(connection, FLEET)
        view = FleetParameters(
            effective=compose([Layer(parameters=layer.parameters)]), layers=(layer,), changed=changed, pending=pending
        )
        return Answer(view, etag=f'"{layer.version}"')


async def _layer_view(connection: Connection, scope: str) -> LayerView:
    row = await connection.fetchrow(load("latest_layer"), scope)
    if row is None:
        return LayerView(scope=scope, version=0, parameters={}, author=None, reason=None, created_at=None)
    return LayerView(
        scope=scope,
        version=row["version"],
        parameters=read_layer(row["document"]).parameters,
        author=row["author"],
        reason=row["reason"],
        created_at=row["created_at"],
    )
