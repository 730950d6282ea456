"""A broker whose services log in by passwords becomes one where they do by certificates, by commands alone."""

import asyncio
import secrets
import shutil
import signal
from functools import partial
from pathlib import Path

from click.testing import CliRunner

from broker.mosquitto.cli import broker
from broker.mosquitto.config import ADMIN_CERTIFICATE, CONFIG_FILE
from broker.mosquitto.rights import ADMIN
from deploy.local.answers import mqtt_answers
from deploy.local.certificates import ServiceCertificates
from deploy.local.process import HOST, ServerProcess, free_port, own
from deploy.local.settings import server_account
from deploy.local.stack import LocalStack
from tests.rigs.certificates import Authority, Pair
from tests.rigs.raw_mqtt import As, connected

TOPIC = "wattline/v1/devices/pi-1/receipts"


async def typed(*words: str | Path) -> str:
    """What `wattline broker` prints; it speaks to a running broker by a loop of its own."""
    ended = await asyncio.to_thread(CliRunner().invoke, broker, [str(word) for word in words])
    assert ended.exit_code == 0, ended.output
    return ended.output


async def test_services_go_over_from_passwords_to_certificates(stack: LocalStack) -> None:
    """The running broker is told by the password of before, and from its restart on by our certificate."""
    place = stack.folder / f"over-{secrets.token_hex(4)}"
    authority, services = Authority(place / "tls"), ServiceCertificates(place / "services")
    place.chmod(0o711)
    folder, shown, account = place / "broker", authority.issue("broker"), server_account()
    owner = ("--owner", account.pw_name) if account else ()
    where, port, words_port = free_port(), free_port(), free_port()
    assert stack.toolchain.plugin is not None
    config = ("config", "--folder", folder, "--plugin", stack.toolchain.plugin, *owner, "--host", HOST, "--port", port,
              "--services-port", where)  # fmt: skip
    add = ("add-user", "--folder", folder, *owner)
    await typed(*map(str, config))
    word = (await typed(*map(str, (*add, "ingestor")))).splitlines()[-1]
    command = [stack.toolchain.mosquitto, "-c", folder / CONFIG_FILE]
    server = ServerProcess(command, folder, orphan_signal="TERM")
    await server.start(partial(mqtt_answers, HOST, where, "ingestor", word), timeout_s=60)
    try:
        shutil.copy(services.of(ADMIN), folder / ADMIN_CERTIFICATE)
        own(folder / ADMIN_CERTIFICATE)
        said = await typed(*map(str, config), "--certificate", shown.certificate, "--key", shown.key, "--authority",
                           authority.certificate, "--services-authority", services.authority,
                           "--password-port", str(words_port))  # fmt: skip
        assert "rights hold at once" in said
        await server.stop(signal.SIGTERM, timeout_s=60)
        us = As("ingestor", pair=Pair(services.of("ingestor"), services.of("ingestor")), trust=authority.certificate)
        await server.start(partial(lets_in, where, us), timeout_s=60)
        by_password = As("ingestor", password=word, trust=authority.certificate)
        assert await lets_in(words_port, by_password)
        assert "at once" in await typed(*map(str, (*add, "--by-certificate", "ingestor")))
        assert not await lets_in(words_port, by_password), "its password is void"
        async with connected(HOST, where, us) as ingestor:
            assert await ingestor.publish(TOPIC)
            await typed(*map(str, (*add, "--by-certificate", "ingestor")))
            assert await ingestor.publish(TOPIC), "who is let in already stays connected"
            assert not ingestor.ended
    finally:
        await server.kill()


async def lets_in(port: int, who: As) -> bool:
    """Whether somebody is let in."""
    try:
        async with connected(HOST, port, who):
            return True
    except PermissionError:
        return False
