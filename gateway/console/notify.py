"""Notifications: channels, rules and messages on one page."""

from typing import Any

import yaml
from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal, invalid

SHOWN = "50"
EXAMPLE = "about: offline\nchannel: ops\nafter_min: 10\n"


class NotifyPages:
    """GET /notify and its parts."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/notify", page(self.show)),
            web.post("/notify/channels", page(self.set_channel)),
            web.post("/notify/channels/{channel}/test", page(self.test)),
            web.post("/notify/channels/{channel}/remove", page(self.remove_channel)),
            web.post("/notify/rules", page(self.set_rule)),
            web.post("/notify/rules/{rule}/remove", page(self.remove_rule)),
            web.get("/notify/messages", page(self.messages)),
            web.post("/notify/messages/{message}/replay", page(self.replay)),
        ]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The whole page."""
        values = await _channels(browser) | await _rules(browser) | await _messages(browser)
        return browser.render("notify.html", **values)

    async def set_channel(self, browser: BrowserRequest) -> web.StreamResponse:
        """Set a channel; a secret that was made is on this page once."""
        form = await browser.form()
        made, refused = None, None
        try:
            name = {"channel": form.get("name", "").strip()}
            made = await browser.ask("putChannel", name, body={"url": form.get("url", "").strip()})
        except Refusal as error:
            refused = _told(error)
        return browser.render("notify_channels.html", **await _channels(browser, made=made, error=refused))

    async def test(self, browser: BrowserRequest) -> web.StreamResponse:
        """Send a message, and say what the other side answered."""
        tested = await browser.ask("testChannel", {"channel": browser.path["channel"]})
        return browser.render("notify_channels.html", **await _channels(browser, tested=tested))

    async def remove_channel(self, browser: BrowserRequest) -> web.StreamResponse:
        """Remove a channel that no rule tells."""
        refused = None
        try:
            await browser.ask("deleteChannel", {"channel": browser.path["channel"]})
        except Refusal as error:
            refused = _told(error)
        return browser.render("notify_channels.html", **await _channels(browser, error=refused))

    async def set_rule(self, browser: BrowserRequest) -> web.StreamResponse:
        """Set a rule, as YAML; what is refused stays in the form."""
        form = await browser.form()
        refused = None
        try:
            document = _read(form.get("rule", ""))
            await browser.ask("putRule", {"rule": form.get("name", "").strip()}, body=document)
        except Refusal as error:
            refused = _told(error)
        return browser.render(
            "notify_rules.html", **await _rules(browser, error=refused, form=form if refused else None)
        )

    async def remove_rule(self, browser: BrowserRequest) -> web.StreamResponse:
        """Remove a rule."""
        await browser.ask("deleteRule", {"rule": browser.path["rule"]})
        return browser.render("notify_rules.html", **await _rules(browser))

    async def messages(self, browser: BrowserRequest) -> web.StreamResponse:
        """Messages by their state."""
        return browser.render("notify_messages.html", **await _messages(browser))

    async def replay(self, browser: BrowserRequest) -> web.StreamResponse:
        """Send a dead message again."""
        await browser.ask("replayMessage", {"message": browser.path["message"]})
        return browser.render("notify_messages.html", **await _messages(browser))


def _read(text: str) -> Any:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise invalid("rule", " ".join(str(error).split())[:200], "write YAML, as the example") from error
    if not isinstance(found, dict):
        raise invalid("rule", "it is no mapping", "write YAML, as the example")
    return found


def _told(error: Refusal) -> str:
    if error.kind not in (Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED):
        raise error
    return "; ".join(str(fault) for fault in error.faults) or error.detail


async def _channels(browser: BrowserRequest, **more: Any) -> dict[str, Any]:
    found = await browser.ask("listChannels")
    return {"channels": found.items, "made": None, "tested": None, "channel_error": None} | {
        "channel_error" if name == "error" else name: value for name, value in more.items()
    }


async def _rules(
    browser: BrowserRequest, *, error: str | None = None, form: dict[str, str] | None = None
) -> dict[str, Any]:
    found = await browser.ask("listRules")
    written = {one.name: yaml.safe_dump(one.rule, sort_keys=False, allow_unicode=True) for one in found.items}
    return {"rules": found.items, "written": written, "rule_error": error, "rule_form": form or {}, "example": EXAMPLE}


async def _messages(browser: BrowserRequest) -> dict[str, Any]:
    state = browser.request.query.get("state", "")
    found = await browser.ask("listMessages", query={"state": state, "limit": SHOWN})
    return {"messages": found.items, "state": state}
