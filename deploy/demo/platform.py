"""The demo's server side: broker and database of the local stack, migrated, with ingestor and gateway on them."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.contract.identity import BRIDGE, OUTLET
from broker.runtime.settings import BrokerAddress
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.certificates import CA_FOLDER, environment_of
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from gateway.enrolment.ca_folder import ROOT
from store.meter_keys import new_master_keys
from store.migrate import migrate

MASTER_KEYS: Final = "meter-keys"
ROLE_OF: Final = {"intake": "wattline_intake", BRIDGE: "wattline_intake", OUTLET: "wattline_outlet"}
"""The roles of the database by service."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the demo runs on, and the addresses to look at."""

    stack: LocalStack
    ingestor: Service
    worker: Service
    gateway: Service
    api: Api
    folder: Path
    ingestor_url: str
    enrolment_url: str

    @property
    def authority(self) -> Path:
        """The CA file that an image of a Pi carries."""
        return self.folder / CA_FOLDER / ROOT

    def broker_address(self, user: str) -> BrokerAddress:
        """The broker as one user reaches it."""
        return self.stack.mosquitto.address(user)

    def broker_environment(self, service: str, user: str) -> dict[str, str]:
        """The broker's settings for a service's environment."""
        prefix = f"WATTLINE_{service.upper()}_"
        return environment_of(self.broker_address(user), prefix) | {f"{prefix}LOG_FORMAT": "json"}

    def others_environment(self) -> dict[str, str]:
        """The settings of the services that the demo leaves to its user: intake, bridge and outlet."""
        own = {"WATTLINE_INTAKE_METER_KEYS_FILE": str(self.folder / MASTER_KEYS), "WATTLINE_INTAKE_HTTP_PORT": "0"}
        own["WATTLINE_OUTLET_HOME_ASSISTANT__ENABLED"] = "true"
        for service in (BRIDGE, OUTLET):
            own |= environment_of(self.broker_address(service), f"WATTLINE_{service.upper()}_")
            own[f"WATTLINE_{service.upper()}_HTTP_PORT"] = "0"
        for service in ("intake", BRIDGE, OUTLET):
            own[f"WATTLINE_{service.upper()}_DATABASE_DSN"] = self.stack.postgres.dsn(user=ROLE_OF[service])
        return own

    def check(self) -> None:
        """Raise PermanentError if one of the services has ended by itself."""
        self.ingestor.check()
        self.worker.check()
        self.gateway.check()


@contextlib.asynccontextmanager
async def start_platform(progress: Callable[[str], None]) -> AsyncIterator[Platform]:
    """Bring the server side up; leaving ends it in flow order: gateway, worker, ingestor, broker, database."""
    async with contextlib.AsyncExitStack() as exits:
        stack = await exits.enter_async_context(LocalStack.start(progress=progress, tls=True))
        progress("migrating the database")
        await migrate(stack.postgres.dsn())
        logs = stack.folder / "logs"
        logs.mkdir(exist_ok=True)
        token = secrets.token_urlsafe(24)
        gateway_port, ingestor_port, worker_port = free_port(), free_port(), free_port()
        ingestor = Service("ingestor", ["ingestor"], {}, logs)
        worker = Service("worker", ["worker"], {}, logs)
        gateway = Service("gateway", ["gateway"], {}, logs)
        api = await exits.enter_async_context(Api(f"http://127.0.0.1:{gateway_port}", token))
        enrolment_port = free_port()
        platform = Platform(
            stack, ingestor, worker, gateway, api, stack.folder, f"http://127.0.0.1:{ingestor_port}",
            f"https://127.0.0.1:{enrolment_port}",
        )  # fmt: skip
        master = stack.folder / MASTER_KEYS
        new_master_keys().write(master)
        ingestor.environment |= platform.broker_environment("ingestor", "ingestor") | {
            "WATTLINE_INGESTOR_DATABASE_DSN": stack.postgres.dsn(user="wattline_ingestor"),
            "WATTLINE_INGESTOR_HTTP_PORT": str(ingestor_port),
        }
        worker.environment |= {
            "WATTLINE_WORKER_DATABASE_DSN": stack.postgres.dsn(user="wattline_ingestor"),
            "WATTLINE_WORKER_HTTP_PORT": str(worker_port),
            "WATTLINE_WORKER_LOG_FORMAT": "json",
            "WATTLINE_WORKER_METER_KEYS_FILE": str(master),
        }
        gateway.environment |= platform.broker_environment("gateway", "gateway") | {
            "WATTLINE_GATEWAY_DATABASE_DSN": stack.postgres.dsn(user="wattline_gateway"),
            "WATTLINE_GATEWAY_HTTP_PORT": str(gateway_port),
            "WATTLINE_GATEWAY_API_TOKEN": token,
            "WATTLINE_GATEWAY_METER_KEYS_FILE": str(master),
            "WATTLINE_GATEWAY_CA__FOLDER": str(stack.folder / CA_FOLDER),
            "WATTLINE_GATEWAY_ENROLMENT__HOST": "127.0.0.1",
            "WATTLINE_GATEWAY_ENROLMENT__PORT": str(enrolment_port),
            "WATTLINE_GATEWAY_ENROLMENT__NAMES": "localhost,127.0.0.1",
        }
        progress("starting ingestor, worker and gateway")
        await exits.enter_async_context(running(ingestor))
        await exits.enter_async_context(running(worker))
        await exits.enter_async_context(running(gateway))
        await api.wait_healthy(platform.check)
        await Api.wait_url_healthy(f"{platform.ingestor_url}/healthz", platform.check)
        await Api.wait_url_healthy(f"http://127.0.0.1:{worker_port}/healthz", platform.check)
        yield platform
