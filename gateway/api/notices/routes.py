"""Routes about notifications: channels, rules, and messages on their way."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from broker.patterns import is_name
from broker.selectors import NAME_RULE
from gateway.api.notices.models import (
    ChannelList,
    ChannelRequest,
    ChannelSet,
    ChannelView,
    MessagePage,
    MessagesQuery,
    MessageView,
    RuleList,
    RuleRequest,
    RuleSet,
    RuleView,
)
from gateway.api.pages import CURSOR_FIX, page_of
from gateway.api.route import Answer, Call, Route, read_body
from gateway.faults import Fault, Kind, Refusal, invalid
from gateway.models import AuthorQuery
from gateway.notices.keeping import Notifications
from gateway.notices.store import StoredRule

CHANNEL, RULE, MESSAGE = "/notify/channels/{channel}", "/notify/rules/{rule}", "/notify/messages/{message}"
JSON = ("application/json",)


class NotifyRoutes:
    """Channels, rules and messages."""

    def __init__(self, notices: Notifications) -> None:
        self._notices = notices

    def routes(self) -> list[Route]:
        """The routes served here."""
        put = "Enter or replace a channel; its URL and secret are shown to nobody again."
        test = "Send a message to a channel now, and say what the other side answered, for 30 seconds."
        replay = "Send a dead message again, by the same id."
        listed = "Messages of notifications, the newest first; dead ones were given up."
        channel, rule, message = {"channel": "Its name."}, {"rule": "Its name."}, {"message": "Its id, webhook-id."}
        author = AuthorQuery
        return [
            Route("GET", "/notify/channels", "listChannels", "Channels of notifications.", self.channels, ChannelList),
            Route("GET", CHANNEL, "getChannel", "One channel.", self.channel, ChannelView, path_fields=channel),
            Route("PUT", CHANNEL, "putChannel", put, self.put_channel, ChannelSet, author, body=ChannelRequest,
                  media=JSON, secret=True, path_fields=channel),
            Route("DELETE", CHANNEL, "deleteChannel", "Remove a channel that no rule tells, with its messages.",
                  self.remove_channel, ChannelView, author, path_fields=channel),
            Route("POST", f"{CHANNEL}:test", "testChannel", test, self.test, MessageView, author, path_fields=channel),
            Route("GET", "/notify/rules", "listRules", "Rules of notifications.", self.rules, RuleList),
            Route("GET", RULE, "getRule", "One rule.", self.rule, RuleView, path_fields=rule),
            Route("PUT", RULE, "putRule", "Enter or replace a rule.", self.put_rule, RuleSet, author,
                  body=RuleRequest, media=JSON, path_fields=rule),
            Route("DELETE", RULE, "deleteRule", "Remove a rule; messages that it has made go out.", self.remove_rule,
                  RuleView, author, path_fields=rule),
            Route("GET", "/notify/messages", "listMessages", listed, self.messages, MessagePage, MessagesQuery),
            Route("GET", MESSAGE, "getMessage", "One message.", self.message, MessageView, path_fields=message),
            Route("POST", f"{MESSAGE}:replay", "replayMessage", replay, self.replay, MessageView, author,
                  path_fields=message),
        ]  # fmt: skip

    async def channels(self, _: Call) -> Answer:
        """GET /notify/channels."""
        found = await self._notices.channels()
        return Answer(ChannelList(items=tuple(ChannelView.model_validate(asdict(one)) for one in found)))

    async def channel(self, call: Call) -> Answer:
        """GET /notify/channels/{channel}."""
        return Answer(ChannelView.model_validate(asdict(await self._notices.channel(call.path["channel"]))))

    async def put_channel(self, call: Call) -> Answer:
        """PUT /notify/channels/{channel}."""
        asked, name = read_body(ChannelRequest, call), _name(call, "channel")
        secret = None if asked.secret is None else asked.secret.get_secret_value()
        found, made = await self._notices.set_channel(name, asked.url.get_secret_value(), secret, call.query.author)
        return Answer(ChannelSet.model_validate({**asdict(found), "secret": made}))

    async def remove_channel(self, call: Call) -> Answer:
        """DELETE /notify/channels/{channel}."""
        found = await self._notices.remove_channel(call.path["channel"], call.query.author)
        return Answer(ChannelView.model_validate(asdict(found)))

    async def test(self, call: Call) -> Answer:
        """POST /notify/channels/{channel}:test."""
        return Answer(MessageView.model_validate(asdict(await self._notices.test(call.path["channel"]))))

    async def rules(self, _: Call) -> Answer:
        """GET /notify/rules."""
        return Answer(RuleList(items=tuple(_rule(one) for one in await self._notices.rules())))

    async def rule(self, call: Call) -> Answer:
        """GET /notify/rules/{rule}."""
        return Answer(_rule(await self._notices.rule(call.path["rule"])))

    async def put_rule(self, call: Call) -> Answer:
        """PUT /notify/rules/{rule}."""
        rule, name = read_body(RuleRequest, call), _name(call, "rule")
        kept = _rule(await self._notices.set_rule(name, rule, call.query.author))
        return Answer(RuleSet(**kept.model_dump(), note=await self._notices.note_of(rule)))

    async def remove_rule(self, call: Call) -> Answer:
        """DELETE /notify/rules/{rule}."""
        return Answer(_rule(await self._notices.remove_rule(call.path["rule"], call.query.author)))

    async def messages(self, call: Call) -> Answer:
        """GET /notify/messages."""
        query: MessagesQuery = call.query
        before = _before(query.cursor)
        rows = await self._notices.deliveries(query.state, query.channel, before, query.limit + 1)
        items, following = page_of(rows, query.limit, "made_at", "id")
        return Answer(
            MessagePage(items=tuple(MessageView.model_validate(asdict(one)) for one in items), next=following)
        )

    async def message(self, call: Call) -> Answer:
        """GET /notify/messages/{message}."""
        return Answer(MessageView.model_validate(asdict(await self._notices.delivery(_id(call)))))

    async def replay(self, call: Call) -> Answer:
        """POST /notify/messages/{message}:replay."""
        found = await self._notices.replay(_id(call), call.query.author)
        return Answer(MessageView.model_validate(asdict(found)))


def _rule(one: StoredRule) -> RuleView:
    values = asdict(one)
    return RuleView(rule=values.pop("document"), **values)


def _name(call: Call, what: str) -> str:
    name = call.path[what]
    if not is_name(name):
        raise invalid(what, f"{name[:64]!r} is no name", NAME_RULE)
    return name


def _id(call: Call) -> UUID:
    text = call.path["message"]
    try:
        return UUID(text)
    except ValueError:
        said = f"there is no message {text[:64]!r}"
        raise Refusal(Kind.UNKNOWN, said, [Fault("message", said, "GET /api/v1/notify/messages lists them")]) from None


def _before(cursor: list[Any] | None) -> tuple[datetime, UUID] | None:
    match cursor:
        case None:
            return None
        case [str() as text, str() as number]:
            try:
                at, last = datetime.fromisoformat(text), UUID(number)
            except ValueError:
                at = None
            if at is not None and at.tzinfo is not None and at.year > 1:
                return at, last
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
