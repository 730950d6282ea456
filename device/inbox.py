"""What arrives from the broker: desired configuration, specs, commands and receipts."""

import time
from collections.abc import Callable

import structlog

from broker.errors import ContractError
from broker.messages import Receipts
from broker.service import configure_logging
from broker.session import Inbound, Session
from broker.topics import DELIVERY, Address, Kind, Topics
from device.context import Context
from device.control import Control
from device.parameters import Verdict
from device.probation import Probation

log = structlog.get_logger()

TakeCommand = Callable[[str, bytes, bytes | None, float | None], None]
"""Takes a command with its payload, its correlation data, and when it expires by the loop's clock."""


class Inbox:
    """Takes messages one by one and acknowledges each once it is dealt with; a bad one is told and acknowledged."""

    def __init__(
        self, session: Session, topics: Topics, context: Context, control: Control, probation: Probation
    ) -> None:
        self._session = session
        self._topics = topics
        self._context = context
        self._control = control
        self._probation = probation
        self.on_command: TakeCommand = lambda *_: None
        self.on_receipts: Callable[[bytes], None] = lambda _payload: None
        self._subscribed: set[str] = set()

    async def run(self) -> None:
        """Take messages until cancelled."""
        await self._subscribe_specs()
        async for inbound in self._session.messages():
            try:
                await self._take(inbound)
            except (ContractError, ValueError, ArithmeticError, RecursionError) as error:
                # also what no model foresaw, such as a time before the year 1: retained, it would come at each start
                log.warning("message_refused", topic=inbound.topic, error=str(error))
            inbound.ack()

    async def _take(self, inbound: Inbound) -> None:
        address = self._topics.parse(inbound.topic)
        if address.kind is Kind.DESIRED:
            if inbound.payload:
                await self._desired(inbound.payload)
        elif address.kind is Kind.SPEC:
            if inbound.payload:
                self._spec(address, inbound.payload)
        elif address.kind is Kind.COMMAND:
            self._command(address, inbound)
        elif address.kind is Kind.RECEIPTS and not inbound.retain:
            self._tell_the_time(Receipts.parse(inbound.payload))
            self.on_receipts(inbound.payload)

    def _tell_the_time(self, receipts: Receipts) -> None:
        """Learn from when the platform made receipts how far our clock is off."""
        context = self._context
        ranges = receipts.boots.get(context.outgoing.boot)
        if receipts.at is None or not ranges:
            return
        given_s = context.outgoing.given_s(max(one.root[1] for one in ranges))
        if given_s is not None:
            context.clock.learn(receipts.at, given_s, time.monotonic())

    async def _desired(self, payload: bytes) -> None:
        context = self._context
        self._probation.look()
        verdict = context.config.consider(payload, self._probation.watch)
        if verdict.changed:
            await self.changed(verdict)
            return
        if verdict.state == "refused":
            context.metrics.config_refused.inc()
            reasons = [f"{reason.field}: {reason.reason}" for reason in verdict.reasons]
            context.outgoing.event("config_refused", "warning", version=verdict.version, reasons=reasons)
        self._control.report(verdict, context.specs_in_use)
        await self._subscribe_specs()

    async def changed(self, verdict: Verdict) -> None:
        """A version was put in force, by message or by command: it takes effect, and probation begins."""
        self.obey()
        self._probation.begin()
        self._tell(verdict)
        self._control.report(verdict, self._context.specs_in_use)
        await self._subscribe_specs()

    def _tell(self, verdict: Verdict) -> None:
        context = self._context
        if verdict.state == "applied":
            context.outgoing.event("config_applied", version=verdict.version)
            return
        reasons = [f"{reason.field}: {reason.reason}" for reason in verdict.reasons]
        held_back = list(context.config.held_back())
        context.outgoing.event(
            "config_held_back", "warning", version=verdict.version, held_back=held_back, reasons=reasons
        )

    async def apply(self) -> None:
        """What is in force takes effect, and the specs that it lacks are asked for."""
        self.obey()
        await self._subscribe_specs()

    def obey(self) -> None:
        """Let the configuration in force take effect everywhere at once."""
        context = self._context
        parameters = context.config.parameters
        context.revision += 1
        context.apply_limit(parameters.outbox_limit_mib * 1024 * 1024)
        if context.config.version:
            configure_logging(parameters.log_level, context.settings.log_format)
        context.metrics.applied_version.set(context.config.version)
        context.specs.keep_only(context.config.spec_refs())
        gone = [meter for meter in context.specs_in_use if self._no_spec(meter)]
        for meter in gone:
            del context.specs_in_use[meter]

    def _no_spec(self, meter: str) -> bool:
        config = self._context.config.meter(meter)
        return config is None or config.spec is None

    async def _subscribe_specs(self) -> None:
        wanted = set()
        for ref in self._context.config.spec_refs():
            name, _, version = ref.partition("@")
            topic = self._topics.spec(name, int(version))
            if self._context.specs.get(ref) is None:
                wanted.add(topic)
        new = wanted - self._subscribed
        if new:
            self._subscribed |= new
            await self._session.subscribe(*((topic, DELIVERY[Kind.SPEC].qos) for topic in sorted(new)))

    def _spec(self, address: Address, payload: bytes) -> None:
        context = self._context
        try:
            ref = context.specs.take(address.spec, address.version, payload)
        except ContractError as error:
            context.outgoing.event(
                "spec_refused", "error", spec=f"{address.spec}@{address.version}", field=error.field, error=str(error)
            )
            return
        context.revision += 1
        log.info("spec_taken", spec=ref)

    def _command(self, address: Address, inbound: Inbound) -> None:
        if inbound.retain:
            # the contract never retains a command: one that is would be repeated at every connect
            log.warning("retained_command_ignored", command=address.command)
            self._context.metrics.commands.labels("retained", "ignored").inc()
            return
        self.on_command(address.command, inbound.payload, inbound.correlation, inbound.expires_s)
