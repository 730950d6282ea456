"""What arrives from the broker: desired configuration and software, specs, keys of meters, commands and receipts."""

import time
from collections.abc import Callable

import structlog

from broker.contract.messages import Receipts
from broker.contract.topics import Address, Kind, Topics
from broker.errors import ContractError
from broker.mqtt.session import Inbound, Session
from device.activation.activation import Activation
from device.readings.context import Context

log = structlog.get_logger()

TakeCommand = Callable[[str, bytes, bytes | None, float | None], None]
"""Takes a command with its payload, its correlation data, and when it expires by the loop's clock."""


class Inbox:
    """Takes messages one by one and acknowledges each once it is dealt with; a bad one is logged and acknowledged."""

    def __init__(
        self,
        session: Session,
        topics: Topics,
        context: Context,
        activation: Activation,
        take_command: TakeCommand,
        take_receipts: Callable[[Receipts], None],
        take_software: Callable[[bytes], None],
        on_trial: Callable[[], bool],
    ) -> None:
        self._session = session
        self._topics = topics
        self._context = context
        self._activation = activation
        self._take_command = take_command
        self._take_receipts = take_receipts
        self._take_software = take_software
        self._on_trial = on_trial
        self._passed_over = 0
        """The number of the last connection of which something was passed over."""

    async def run(self) -> None:
        """Take messages until cancelled."""
        await self._activation.subscribe_specs()
        async for inbound in self._session.messages():
            try:
                await self._take(inbound)
            except (ContractError, ValueError, ArithmeticError, RecursionError) as error:
                # also what no model foresaw, such as a time before the year 1: retained, it would come at each start
                log.warning("message_refused", topic=inbound.topic, error=str(error))
            inbound.ack()

    async def _take(self, inbound: Inbound) -> None:
        address = self._topics.parse(inbound.topic)
        if self._on_trial():
            self._take_on_trial(address.kind, inbound)
        elif address.kind is Kind.DESIRED:
            if inbound.payload:
                await self._activation.consider(inbound.payload)
        elif address.kind is Kind.SPEC:
            if inbound.payload:
                self._spec(address, inbound.payload)
        elif address.kind is Kind.COMMAND:
            self._command(address, inbound)
        elif address.kind is Kind.KEYS:
            await self._context.keys.take(inbound.payload)
        elif address.kind is Kind.SOFTWARE_DESIRED:
            self._take_software(inbound.payload)
        elif address.kind is Kind.RECEIPTS and not inbound.retain:
            receipts = Receipts.parse(inbound.payload)
            self._learn_time(receipts)
            self._take_receipts(receipts)

    def _take_on_trial(self, kind: Kind, inbound: Inbound) -> None:
        """Nobody is obeyed who has not proven to be the platform; what is retained comes again with a new connection.

        Receipts count, as they are the proof.
        """
        if kind is Kind.RECEIPTS and not inbound.retain:
            self._take_receipts(Receipts.parse(inbound.payload))
        elif self._passed_over != self._session.connections:
            # once for each connection: a flood would fill the log
            self._passed_over = self._session.connections
            log.warning("message_passed_over", topic=inbound.topic, reason="this broker has not proven itself yet")

    def _learn_time(self, receipts: Receipts) -> None:
        """Learn from when the platform made receipts how far our clock is off."""
        context = self._context
        ranges = receipts.boots.get(context.outgoing.boot)
        if receipts.at is None or not ranges:
            return
        given_s = context.outgoing.given_s(max(one.root[1] for one in ranges))
        if given_s is not None:
            context.clock.learn(receipts.at, given_s, time.monotonic())

    def _spec(self, address: Address, payload: bytes) -> None:
        context = self._context
        try:
            ref = context.effective.take_spec(address.spec, address.version, payload)
        except ContractError as error:
            context.outgoing.event(
                "spec_refused", "error", spec=f"{address.spec}@{address.version}", field=error.field, error=str(error)
            )
            return
        log.info("spec_taken", spec=ref)

    def _command(self, address: Address, inbound: Inbound) -> None:
        if inbound.retain:
            # the contract never retains a command: one that is would be repeated at every connect
            log.warning("retained_command_ignored", command=address.command)
            self._context.metrics.commands.labels("retained", "ignored").inc()
            return
        self._take_command(address.command, inbound.payload, inbound.correlation, inbound.expires_s)
