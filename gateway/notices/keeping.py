"""What people do with notifications: set and remove channels and rules, try a channel, replay what is dead."""

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from broker.contract.obis import Obis, lookup
from broker.errors import ContractError
from gateway.faults import Fault, Kind, Refusal, conflict, invalid, refusal_of
from gateway.keys.master import MasterFile
from gateway.notices.store import (
    StoredChannel,
    StoredDelivery,
    StoredRule,
    add_test,
    codes_sent,
    count_channels,
    count_rules,
    drop_channel,
    drop_rule,
    forget_found,
    list_channels,
    list_deliveries,
    list_rules,
    put_channel,
    put_rule,
    replay_delivery,
    wake_channel,
)
from store.notices.channels import parse_address, sealed_for
from store.notices.messages import test_message
from store.notices.rules import Rule
from store.pool import Pool

log = structlog.get_logger()
MOST: Final = 200
"""Channels, and rules: each costs every event and every round."""
TRIES: Final = 20
"""Attempts at a message that is replayed by hand."""
TEST_S: Final = 30.0
"""How long the answer to a test is waited for."""
_POLL_S: Final = 0.25


class Notifications:
    """Channels, rules and messages."""

    def __init__(self, pool: Pool, master: MasterFile) -> None:
        self._pool = pool
        self._master = master

    async def channels(self) -> list[StoredChannel]:
        """All channels."""
        return await list_channels(self._pool, None)

    async def channel(self, name: str) -> StoredChannel:
        """One of them. Raises Refusal: unknown."""
        found = await list_channels(self._pool, name)
        if not found:
            raise _unknown("channel", name)
        return found[0]

    async def set_channel(self, name: str, url: str, secret: str | None, author: str) -> tuple[StoredChannel, str]:
        """Enter or replace a channel; it and the secret that was made for it, '' where none was. Raises Refusal."""
        try:
            address = parse_address(url, secret)
        except ContractError as error:
            raise refusal_of(error) from error
        master = self._master.load()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await list_channels(connection, name) and await count_channels(connection) >= MOST:
                raise conflict(f"there are {MOST} channels already: remove one")
            sealed = master.seal(sealed_for(name), address.values())
            await put_channel(connection, name, address.kind, address.shown, sealed, master.newest, author)
        log.info("notice_channel_set", channel=name, shown=address.shown, author=author)
        return await self.channel(name), address.secret if secret is None else ""

    async def remove_channel(self, name: str, author: str) -> StoredChannel:
        """Remove a channel that no rule tells. Raises Refusal: unknown, conflict."""
        before = await self.channel(name)
        async with self._pool.acquire() as connection, connection.transaction():
            if rules := await count_rules(connection, name):
                raise conflict(f"{rules} rules tell channel {name}: change or remove them first")
            await drop_channel(connection, name)
        log.info("notice_channel_removed", channel=name, author=author)
        return before

    async def test(self, name: str) -> StoredDelivery:
        """Have a worker send a message to a channel now, and wait for what comes of it. Raises Refusal: unknown."""
        await self.channel(name)
        said = test_message(name, datetime.now(UTC))
        await add_test(self._pool, said.id, name, said.event, said.title, said.text)
        with_answer = await self.delivery(said.id)
        end_s = asyncio.get_running_loop().time() + TEST_S
        while with_answer.state == "waiting" and asyncio.get_running_loop().time() < end_s:
            await asyncio.sleep(_POLL_S)
            with_answer = await self.delivery(said.id)
        return with_answer

    async def rules(self) -> list[StoredRule]:
        """All rules."""
        return await list_rules(self._pool, None)

    async def rule(self, name: str) -> StoredRule:
        """One of them. Raises Refusal: unknown."""
        found = await list_rules(self._pool, name)
        if not found:
            raise _unknown("rule", name)
        return found[0]

    async def set_rule(self, name: str, rule: Rule, author: str) -> StoredRule:
        """Enter or replace a rule; one that is now about something else forgets what it had found. Raises Refusal."""
        async with self._pool.acquire() as connection, connection.transaction():
            before = await list_rules(connection, name)
            if not before and await count_rules(connection, None) >= MOST:
                raise conflict(f"there are {MOST} rules already: remove one")
            if rule.obis is not None:
                _code(rule.obis)
            if not await list_channels(connection, rule.channel):
                raise invalid("channel", f"no channel {rule.channel!r}", "`wattline notify channel set` makes one")
            patterns = [_like(one) for one in rule.names]
            kept = rule.model_dump(mode="json", exclude_unset=True)
            await put_rule(connection, name, rule.channel, rule.enabled, patterns, kept, author)
            if before and before[0].document.get("about") != rule.about:
                await forget_found(connection, name)
        log.info("notice_rule_set", rule=name, about=rule.about, channel=rule.channel, author=author)
        return await self.rule(name)

    async def note_of(self, rule: Rule) -> str:
        """What is odd about a rule: a threshold of a code that none of its meters has sent; '' where nothing is."""
        if rule.obis is None:
            return ""
        code = _code(rule.obis)
        quantity = lookup(code)
        patterns = [_like(one) for one in rule.meters]
        sent = await codes_sent(self._pool, patterns, str(code), (quantity.unit or "") if quantity else "")
        if any(one.obis == str(code) for one in sent):
            return ""
        said = f"none of its meters has sent {rule.obis} so far: it watches nothing until one does"
        return f"{said}; in the same unit they send {', '.join(one.obis for one in sent)}" if sent else said

    async def remove_rule(self, name: str, author: str) -> StoredRule:
        """Remove a rule; messages that it has made go out. Raises Refusal: unknown."""
        before = await self.rule(name)
        async with self._pool.acquire() as connection, connection.transaction():
            await drop_rule(connection, name)
        log.info("notice_rule_removed", rule=name, author=author)
        return before

    async def deliveries(
        self, state: str | None, channel: str | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[StoredDelivery]:
        """Messages, the newest first."""
        at, number = before or (None, None)
        return await list_deliveries(self._pool, None, state, channel, at, number, limit)

    async def delivery(self, number: UUID) -> StoredDelivery:
        """One message. Raises Refusal: unknown."""
        found = await list_deliveries(self._pool, number, None, None, None, None, 1)
        if not found:
            raise _unknown("message", str(number))
        return found[0]

    async def replay(self, number: UUID, author: str) -> StoredDelivery:
        """Have a dead message sent again, by the same id. Raises Refusal: unknown, conflict."""
        before = await self.delivery(number)
        async with self._pool.acquire() as connection, connection.transaction():
            if not await replay_delivery(connection, number, TRIES):
                raise conflict(f"message {number} is {before.state}: only dead ones are replayed")
            await wake_channel(connection, number)
        log.info("notice_replayed", id=str(number), channel=before.channel, author=author)
        return await self.delivery(number)


def _code(text: str) -> Obis:
    """An OBIS code. Raises Refusal."""
    try:
        return Obis.parse(text)
    except ContractError as error:
        raise invalid("obis", str(error), "each number of a code is 255 at most") from error


def _like(pattern: str) -> str:
    """A pattern with `*` as LIKE has it."""
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")


def _unknown(what: str, name: str) -> Refusal:
    lists = {"channel": "channel list", "rule": "rule list", "message": "messages"}[what]
    said = f"there is no {what} {name[:64]!r}"
    return Refusal(
        Kind.UNKNOWN, said, [Fault(what, f"no {what} {name[:64]!r}", f"`wattline notify {lists}` shows them")]
    )
