"""The keys of the meters at this device's ports, as the platform gave them: on disk for this account alone."""

import base64
from pathlib import Path
from typing import Final

import structlog

from broker.contract.keys import DeviceKeys, SealedKeys
from broker.errors import ContractError
from broker.sealed_box import open_box, recipient_of, recipient_of_certificate
from device.enrolment.certificate_file import FILE as CERTIFICATE
from device.metrics import DeviceMetrics
from device.outbox.outgoing import Outgoing
from device.readings.counter_memory import CounterMemory
from device.sealed_file import read_either, write_twice
from device.token.order import AgentToken
from device.token_uri import id_in
from meters.wires.meter_key import MeterKey

log = structlog.get_logger()
FILE: Final = "meter-keys.json"
COUNTERS: Final = "frame-counters.json"
MODE: Final = 0o600


class MeterKeys:
    """Takes what the platform gives, and tells the key of a meter; `revision` rises with each change.

    `counters` are the frame counters of telegrams that were read by these keys; others begin other counts. `damage`
    says what was found wrong with the file: without it the platform's retained message gives them again. Where the
    certificate's key is in a token, `token` is asked for what only that key opens.
    """

    def __init__(
        self, folder: Path, device: str, metrics: DeviceMetrics, outgoing: Outgoing, token: str | None = None
    ) -> None:
        self._file = folder / FILE
        self._certificate = folder / "enrolment" / CERTIFICATE
        self._token = None if token is None else AgentToken(token, self._certificate)
        self._device = device
        self._metrics = metrics
        self._outgoing = outgoing
        self._version = 0
        self._keys: dict[str, MeterKey] = {}
        self._passwords: dict[str, str] = {}
        self.revision = 0
        self.damage = ""
        self.counters = CounterMemory(folder / COUNTERS)

    def load(self) -> None:
        """Read what an earlier run was given, and counted by it."""
        self._load()
        self.counters.load(self._version)

    def _load(self) -> None:
        try:
            found = read_either(self._file)
            self.damage = found.damage
            self._use(DeviceKeys.parse(found.data))
        except FileNotFoundError:
            return
        except (OSError, ContractError, ValueError) as error:
            self.damage = str(error)[:200]
            log.warning("meter_keys_unreadable", path=str(self._file), reason=self.damage)

    def of(self, meter: str) -> MeterKey | None:
        """The key of a meter, None where none was given."""
        return self._keys.get(meter)

    def password_of(self, meter: str) -> str | None:
        """The password by which a meter is asked (LLS, or programming mode), None where none was given."""
        return self._passwords.get(meter)

    async def take(self, payload: bytes) -> None:
        """Take the platform's message, which comes again with each connection; an empty one takes all keys back."""
        if not payload:
            if self._keys or self._passwords:
                self._keep(DeviceKeys(device=self._device, version=max(1, self._version)))
            return
        message = SealedKeys.parse(payload)
        if message.version == self._version:
            return
        try:
            found = await self._opened(message)
        except (ContractError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._metrics.meter_keys.labels("refused").inc()
            self._outgoing.event("meter_keys_refused", "warning", version=message.version, reason=reason)
            return
        if found is not None:
            self._keep(found)

    async def _opened(self, message: SealedKeys) -> DeviceKeys | None:
        """What is sealed in a message; None where it is for another key of ours. Raises ContractError, OSError."""
        if message.version < self._version:
            raise ContractError(f"it is older than {self._version}, which was here before", field="version")
        private = self._certificate.read_bytes()
        in_token = self._token is not None and id_in(private) is not None
        if (recipient_of_certificate(private) if in_token else recipient_of(private)) != message.to:
            # sealed for the certificate that is on its way, or for the one before: the right one comes, too
            log.info("meter_keys_for_another_key", version=message.version)
            return None
        context = DeviceKeys.context(self._device, message.version)
        if in_token and self._token is not None:
            answer = await self._token.opened(message.sealed, context)
            if answer.fault:
                raise ContractError(answer.fault, field="sealed")
            text = base64.b64decode(answer.opened)
        else:
            text = open_box(private, message.sealed, context)
        return DeviceKeys.opened(text, self._device, message.version)

    def _keep(self, found: DeviceKeys) -> None:
        """Put keys in force, and on disk as far as that takes them: else they come again with the next connection."""
        self._use(found)
        try:
            write_twice(self._file, found.payload(), mode=MODE)
        except OSError as error:
            log.warning("meter_keys_not_kept", path=str(self._file), reason=error.strerror)
        self._metrics.meter_keys.labels("taken").inc()
        self._outgoing.event("meter_keys_taken", version=found.version, meters=sorted(found.meters))

    def _use(self, found: DeviceKeys) -> None:
        self._version = found.version
        self._keys = {
            meter: MeterKey.parse(known.encryption, known.authentication or "")
            for meter, known in found.meters.items()
            if known.encryption
        }
        self._passwords = {meter: known.password for meter, known in found.meters.items() if known.password}
        self.revision += 1
        self.counters.another_key(self._version)
