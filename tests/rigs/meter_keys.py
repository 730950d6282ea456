"""Devices with certificates, and what they are sent of their meters' keys."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from broker.contract.keys import DeviceKeys, SealedKeys
from broker.contract.topics import Kind
from broker.errors import ContractError
from broker.mqtt.session import Session, SessionOptions
from broker.sealed_box import open_box
from store.meter_keys import new_master_keys
from tests.rigs.access import ROOT
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings
from tests.rigs.servers import Broker, Database

KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
"""A meter's encryption key, in hex."""


@dataclass
class Certified:
    """A device with a certificate's key, and what it was sent."""

    name: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    payloads: list[bytes] = field(default_factory=list)

    @property
    def pem(self) -> bytes:
        """Its private key."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    async def certify(self, database: Database) -> None:
        """Enter that it was given a certificate."""
        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        async with connection(database) as opened:
            # as one has it that had a password before
            identity = f"{self.name}~2"
            await opened.execute(
                "INSERT INTO credential (identity, device, kind, granted_by) VALUES ($1, $2, 'certificate', 'test')",
                identity, self.name,
            )  # fmt: skip
            await opened.execute(
                "INSERT INTO certificate (serial, identity, spki_sha256, not_before, not_after, public_key)"
                " VALUES ($1, $2, $3, now(), now() + INTERVAL '1 day', $4)",
                hashlib.sha256(der).hexdigest(), identity, hashlib.sha256(der).digest(), der,
            )  # fmt: skip

    def keys(self) -> dict[str, dict[str, str]] | None:
        """What the newest message holds for it; None where there is none that it could open."""
        if not self.payloads or not self.payloads[-1]:
            return None
        message = SealedKeys.parse(self.payloads[-1])
        try:
            text = open_box(self.pem, message.sealed, DeviceKeys.context(self.name, message.version))
        except ContractError:
            return None
        opened = DeviceKeys.opened(text, self.name, message.version)
        return {key: known.model_dump(exclude_none=True) for key, known in opened.meters.items()}


@contextlib.asynccontextmanager
async def listening(broker: Broker, device: Certified, topic_of: str) -> AsyncIterator[None]:
    """A device subscribes to the keys of a device; one that may not is sent nothing."""
    topic = broker.topics.of(Kind.KEYS, topic_of)
    options = SessionOptions(device.name, optional=((topic, 1),))
    async with Session(broker.address(device.name), options) as session:
        await session.wait_connected()

        async def take() -> None:
            async for message in session.messages():
                device.payloads.append(message.payload)
                message.ack()

        task = asyncio.create_task(take())
        yield
        task.cancel()


@contextlib.asynccontextmanager
async def serving(broker: Broker, database: Database, file: Path) -> AsyncIterator[Gateway]:
    """A gateway that keeps keys of meters under a master key of its own."""
    new_master_keys().write(file)
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), meter_keys_file=file, keys_s=0.2)
    async with gateway(settings) as running:
        yield running
