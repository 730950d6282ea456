"""A configuration takes effect: everywhere at once, reported, with the specs that it lacks subscribed to."""

from broker.contract.messages import Reason
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import Session
from broker.runtime.service import configure_logging
from device.activation.probation import Probation
from device.config.configuration import Verdict
from device.outbox.outbox import Outbox
from device.readings.context import Context


class Activation:
    """Lets what the configuration says take effect, whoever changed it: a message, a command or a revert."""

    def __init__(
        self, session: Session, topics: Topics, context: Context, outbox: Outbox, probation: Probation
    ) -> None:
        self._session = session
        self._topics = topics
        self._context = context
        self._outbox = outbox
        self._probation = probation
        self._subscribed: set[str] = set()

    async def consider(self, payload: bytes) -> None:
        """Take a received configuration or refuse it; either is reported."""
        context = self._context
        self._probation.observe()
        verdict = context.config.consider(payload, self._probation.select_watched)
        if verdict.changed:
            await self.changed(verdict)
            return
        if verdict.state == "refused":
            context.metrics.config_refused.inc()
            reasons = [f"{reason.field}: {reason.reason}" for reason in verdict.reasons]
            context.outgoing.event("config_refused", "warning", version=verdict.version, reasons=reasons)
        context.effective.report(verdict)
        await self.subscribe_specs()

    async def retry(self) -> Verdict | None:
        """Try again what was reverted; None where nothing was."""
        verdict = self._context.config.retry(self._probation.select_watched)
        if verdict is not None:
            await self.changed(verdict)
        return verdict

    async def changed(self, verdict: Verdict) -> None:
        """A version was put in force, by message or by command: it takes effect, and probation begins."""
        self.apply()
        self._probation.begin()
        self._send_event(verdict)
        self._context.effective.report(verdict)
        await self.subscribe_specs()

    async def reapply(self) -> None:
        """What is in force takes effect, and the specs that it lacks are asked for."""
        self.apply()
        await self.subscribe_specs()

    async def withhold(self, reason: Reason, part: dict[str, str]) -> None:
        """Take out of what is in force what has failed, and not by a meter; reported, and told by an event."""
        self._context.config.withhold((reason,), part)
        self._probation.begin()
        await self.reapply()
        self._context.effective.report(self._context.config.verdict())

    def apply(self) -> None:
        """Let the configuration in force take effect everywhere at once."""
        context = self._context
        parameters = context.config.parameters
        self._outbox.set_limit(parameters.outbox_limit_mib * 1024 * 1024)
        if context.config.version:
            configure_logging(parameters.log_level, context.settings.log_format)
        context.metrics.applied_version.set(context.config.version)
        context.effective.changed()

    async def subscribe_specs(self) -> None:
        """Subscribe to each spec that the configuration names and that has not come; once for each."""
        wanted = set()
        for ref in self._context.effective.missing_specs():
            name, _, version = ref.partition("@")
            wanted.add(self._topics.spec(name, int(version)))
        new = wanted - self._subscribed
        if new:
            self._subscribed |= new
            await self._session.subscribe(*((topic, DELIVERY[Kind.SPEC].qos) for topic in sorted(new)))

    def _send_event(self, verdict: Verdict) -> None:
        context = self._context
        if verdict.state == "applied":
            context.outgoing.event("config_applied", version=verdict.version)
            return
        reasons = [f"{reason.field}: {reason.reason}" for reason in verdict.reasons]
        held_back = list(context.config.held_back())
        context.outgoing.event(
            "config_held_back", "warning", version=verdict.version, held_back=held_back, reasons=reasons
        )
