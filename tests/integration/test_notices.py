"""Notifications: what happened is told once, to the right channel, signed, through whatever happens on the way."""

import asyncio
import contextlib
import email
import os
import signal
from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.process import free_port
from tests.rigs.gateway import rows
from tests.rigs.notices import Platform, cloudevents_schema, platform_of, receiving
from tests.rigs.redecoding import worker_process, worker_settings
from tests.rigs.servers import Database
from tests.rigs.waiting import stays, until

EVENT = (
    "INSERT INTO event (received_at, at, device_id, source, event, severity, detail)"
    " SELECT now(), now(), (SELECT id FROM device WHERE name = $1), 'device', $2, 'warning', '{\"port\": \"/dev/x\"}'"
)


@pytest.fixture
def platform(database: Database, tmp_path: Path) -> Platform:
    return platform_of(database, tmp_path)


async def test_a_storm_is_one_signed_message_and_so_is_its_end(platform: Platform) -> None:
    """500 devices go at once, and come again; nothing of it is told twice, whoever starts again in between."""
    async with receiving() as receiver:
        secret = (await platform.channel("ops", receiver.url)).secret
        await platform.rule("away", about="offline", after_min=0)
        await platform.devices(500, online=False)
        async with platform.telling(), platform.telling():
            await until(lambda: receiver.taken, "the storm is told")
        async with platform.telling():
            await platform.devices(500, online=True)
            # states are looked at ever so often; a rule that changed is looked at again at once
            await platform.execute("UPDATE notice_rule SET document = jsonb_set(document, '{after_min}', '0.001')")
            await until(lambda: len(receiver.taken) > 1, "its end is told")
        begun, over = receiver.events(secret)
        for event in (begun, over):
            jsonschema.validate(event, cloudevents_schema())
        assert (begun["type"], begun["data"]["count"], begun["data"]["severity"]) == ("wattline.offline", 500, "error")
        assert (over["type"], over["data"]["count"]) == ("wattline.offline.over", 500)
        assert len({item["device"] for item in begun["data"]["items"]}) == 50
        assert {one["state"] for one in await platform.deliveries()} == {"sent"}
        assert len(await platform.deliveries()) == 2
        assert await rows(platform.database, "SELECT FROM notice_found") == []


async def test_events_reach_the_rules_that_are_about_them_once(platform: Platform) -> None:
    """Also those that came while no worker ran; what was rolled back never happened, and labels choose devices."""
    async with receiving() as receiver:
        secret = (await platform.channel("ops", receiver.url)).secret
        await platform.rule("swaps", about="swap")
        await platform.rule("ports", about="event", events=["port_*"], labels={"device": "pi-1"})
        await platform.devices(2, online=True)
        for device, event in (
            ("pi-1", "port_lost"),
            ("pi-2", "port_lost"),
            ("pi-2", "meter_swapped"),
            ("pi-1", "clock_off"),
        ):
            await platform.execute(EVENT, device, event)
        with contextlib.suppress(ZeroDivisionError):
            async with contextlib.AsyncExitStack() as stack:
                from tests.rigs.gateway import connection

                opened = await stack.enter_async_context(connection(platform.database))
                await stack.enter_async_context(opened.transaction())
                await opened.execute(EVENT, "pi-1", "port_lost")
                raise ZeroDivisionError
        async with platform.telling():
            await until(lambda: len(receiver.taken) == 2, "both are told")
            await platform.execute(EVENT, "pi-1", "port_busy")
            await until(lambda: len(receiver.taken) == 3, "and the next")
        told = [(one["type"], one["subject"], one["data"]["items"][0]["detail"]) for one in receiver.events(secret)]
        assert sorted(told) == [
            ("wattline.event", "pi-1", "port_busy. port: /dev/x"),
            ("wattline.event", "pi-1", "port_lost. port: /dev/x"),
            ("wattline.swap", "pi-2", "meter_swapped. port: /dev/x"),
        ]
        assert await rows(platform.database, "SELECT FROM notice_event") == []


async def test_failures_are_tried_again_by_the_same_id_and_hold_up_nobody_else(platform: Platform) -> None:
    """500, a hanging server, 429 with its Retry-After; beside them one that is dead, and one that works."""
    async with receiving() as receiver, receiving() as good:

        async def hang(_: web.Request) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError

        receiver.answer(500)
        receiver.answers.append(hang)
        receiver.answer(429, **{"Retry-After": "3600"})
        receiver.answer(429, **{"Retry-After": "1"})
        secret = (await platform.channel("ops", receiver.url)).secret
        await platform.channel("good", good.url)
        await platform.channel("nobody", f"http://127.0.0.1:{free_port()}/")
        for channel in ("nobody", "ops", "good"):
            await platform.rule(channel, about="swap", channel=channel)
        await platform.execute(EVENT, None, "meter_swapped")

        async def hurry(times: int) -> None:
            async def rests() -> bool:
                found = await rows(platform.database, "SELECT * FROM notice_channel WHERE name = 'ops'")
                return len(receiver.taken) == times and found[0]["failures"] == times

            await until(rests, f"attempt {times} has failed")
            await platform.execute("UPDATE notice_channel SET not_before = now() WHERE name = 'ops'")

        async with platform.telling(timeout_s=1):
            await until(lambda: good.taken, "the good one has it")
            await hurry(1)
            await hurry(2)

            async def asked() -> Any:
                return await rows(
                    platform.database,
                    "SELECT FROM notice_channel WHERE name = 'ops' AND failures = 3"
                    " AND not_before BETWEEN now() + INTERVAL '50 min' AND now() + INTERVAL '61 min'",
                )

            await until(asked, "Retry-After is obeyed")
            await hurry(3)
            await until(lambda: len(receiver.taken) == 5, "it is there")

            async def sent() -> bool:
                return (await platform.deliveries())[0]["state"] == "sent"

            await until(sent)
        assert len(set(receiver.ids())) == 1
        assert len({str(event) for event in receiver.events(secret)}) == 1
        (one,) = await platform.deliveries()
        assert (one["tries"], one["answer"]) == (5, "HTTP 204")
        (other,) = await platform.deliveries("nobody")
        assert other["state"] == "waiting"
        assert "Connect" in other["answer"]


async def test_what_is_refused_is_a_dead_letter_that_a_person_can_see(platform: Platform) -> None:
    """404 is no matter of time; the next message goes its way. A redirect is not followed."""
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.answer(404)
        receiver.answer(302, Location=elsewhere.url)
        await platform.channel("ops", receiver.url)
        await platform.rule("swaps", about="swap")
        async with platform.telling():
            for number in range(3):
                await platform.execute(EVENT, None, "meter_swapped")
                await until(lambda number=number: len(receiver.taken) > number)

            async def done() -> bool:
                return [one["state"] for one in await platform.deliveries()] == ["dead", "dead", "sent"]

            await until(done, "two are dead")
        first, second, _ = await platform.deliveries()
        assert first["answer"] == "HTTP 404: said 404"
        assert second["answer"].endswith("redirects are not followed")
        assert elsewhere.taken == []
        (overview,) = await rows(platform.database, "SELECT * FROM notice_channel_overview")
        assert (overview["dead"], overview["waiting"]) == (2, 0)


@pytest.mark.parametrize(
    "form", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://127.1:{}/", "http://0x7f000001:{}/",
             "http://[::ffff:127.0.0.1]:{}/", "http://2130706433:{}/", "ntfy://localhost:{}/topic",
             "ntfy://127.0.0.1:{}/topic"],
)  # fmt: skip
async def test_no_channel_reaches_the_machines_own_network(platform: Platform, form: str) -> None:
    """Whatever the URL calls it; the message is dead and says which setting would allow it."""
    async with receiving() as receiver:
        await platform.channel("ops", form.format(receiver.url.split(":")[2].split("/")[0]))
        await platform.rule("swaps", about="swap")
        await platform.execute(EVENT, None, "meter_swapped")
        async with platform.telling(private=False):

            async def dead() -> bool:
                return [one["state"] for one in await platform.deliveries()] == ["dead"]

            await until(dead, "it is refused")
        assert receiver.taken == []
        (one,) = await platform.deliveries()
        assert "WATTLINE_WORKER_NOTICES_PRIVATE" in one["answer"]


class _Mailbox:
    """Takes mails, as a mail server's handler."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(email.message_from_bytes(envelope.content or b""))
        return "250 taken"


@contextlib.asynccontextmanager
async def _mail_server() -> AsyncIterator[tuple[_Mailbox, int]]:
    mailbox, port = _Mailbox(), free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    await asyncio.to_thread(controller.start)
    try:
        yield mailbox, port
    finally:
        await asyncio.to_thread(controller.stop)


async def test_e_mail_and_ntfy_by_apprise(platform: Platform) -> None:
    """To a real mail server and an HTTP server in ntfy's place; a refusal is tried again and kept without secrets."""
    async with _mail_server() as (mailbox, port), receiving() as ntfy:
        await platform.channel("mail", f"mailto://127.0.0.1:{port}?from=w@example.org&to=ops@example.org&mode=insecure")
        await platform.channel("push", ntfy.url.replace("http", "ntfy").replace("/in", "/secret-topic"))
        await platform.rule("mail", about="swap", channel="mail", title="Swap at {device}", text="{detail}")
        await platform.rule("push", about="swap", channel="push")
        ntfy.answer(503)
        ntfy.answer(200)
        await platform.devices(1, online=True)
        await platform.execute(EVENT, "pi-1", "meter_swapped")
        async with platform.telling():
            await until(lambda: mailbox.mails, "the mail is there")

            async def failed() -> Any:
                found = await platform.deliveries("push")
                return found and found[0]["answer"]

            said = await until(failed, "ntfy refused it")
            await platform.execute("UPDATE notice_channel SET not_before = now() WHERE name = 'push'")

            async def sent() -> bool:
                found = await platform.deliveries("push")
                return found[0]["state"] == "sent"

            await until(sent, "ntfy has taken it")
        (mail,) = mailbox.mails
        assert (mail["Subject"], mail["To"]) == ("Swap at pi-1", "ops@example.org")
        assert "meter_swapped. port: /dev/x" in str(mail)
        assert "secret-topic" not in said
        assert b"A meter took another" in ntfy.taken[-1][1]


async def test_a_worker_that_dies_over_a_message_is_followed_by_another(platform: Platform) -> None:
    """Killed between sending and noting it: the message comes again by the same id, and nothing else does."""
    async with receiving() as receiver:
        secret = (await platform.channel("ops", receiver.url)).secret
        await platform.rule("swaps", about="swap")
        await platform.execute(EVENT, None, "meter_swapped")
        settings = worker_settings(
            platform.database, meter_keys_file=platform.master_file, notices_private=True, notices_round_s=0.2
        )
        async with worker_process(settings) as process:

            async def kill(_: web.Request) -> web.Response:
                os.kill(process.pid, signal.SIGKILL)
                return web.Response(status=204)

            receiver.answers.append(kill)
            await until(lambda: receiver.taken, "it is sent")
            await process.wait()
        (left,) = await platform.deliveries()
        assert left["state"] == "waiting"
        async with platform.telling():
            await stays(lambda: len(receiver.taken) == 1, 0.5, "another worker lets the dead one its time")
            await platform.execute("UPDATE notice_delivery SET taken_until = now()")
            await until(lambda: len(receiver.taken) == 2, "it comes again")
        assert len(set(receiver.ids())) == 1
        assert len({str(one) for one in receiver.events(secret)}) == 1
        assert [one["state"] for one in await platform.deliveries()] == ["sent"]
