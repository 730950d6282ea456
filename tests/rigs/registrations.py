"""A device's registrations at a gateway under test, one after another."""

from broker.contract.messages import MeterSeen
from broker.contract.topics import Kind
from broker.mqtt.session import Session
from tests.rigs.gateway import Gateway, registration, send
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

DEALT = "wattline_gateway_messages_total"


class Registrant:
    """A device's registrations, each waited for until the gateway has dealt with it."""

    def __init__(self, broker: Broker, running: Gateway, session: Session, device: str = "d1") -> None:
        self._broker = broker
        self._running = running
        self._session = session
        self._device = device

    async def register(self, *meters: MeterSeen, boot: str = "b3f1a2c4") -> bytes:
        """Register these meters; returns the payload."""
        payload = registration(*meters, boot=boot)
        await self.send(payload)
        return payload

    async def send(self, payload: bytes) -> None:
        """Send a registration (again)."""
        before = await self._running.metric(DEALT, kind="registration", result="stored")
        await send(self._session, self._broker.topics, Kind.REGISTRATION, self._device, payload)

        async def dealt() -> bool:
            return await self._running.metric(DEALT, kind="registration", result="stored") > before

        await until(dealt, "the registration is dealt with")
