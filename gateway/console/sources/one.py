"""A source: how it stands, whether it is on, its secret, and its payloads."""

import base64
from typing import Any, Final

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.console.sources.mapping import editor
from gateway.console.sources.wording import told
from gateway.faults import Refusal

SHOWN: Final = "25"


class SourcePages:
    """GET /sources/{source}, its parts, and each of its payloads."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page, one = self._console.page, "/sources/{source}"
        return [
            web.get(one, page(self.show)),
            web.post(one + "/enable", page(self.enable)),
            web.post(one + "/secret", page(self.secret)),
            web.get(one + "/payloads", page(self.payloads)),
            web.post(one + "/retry", page(self.retry)),
            web.get(one + "/payloads/{payload}", page(self.payload)),
        ]

    async def show(self, browser: BrowserRequest) -> web.StreamResponse:
        """The whole page, or how it stands alone."""
        state = await _state(browser)
        if browser.partial:
            return browser.render("source_state.html", **state)
        payloads = await _payloads(browser)
        return browser.render(
            "source.html", made=None, refused="", **state, **payloads,
            **await editor(browser, state["source"], payloads["payloads"].items),
        )  # fmt: skip

    async def enable(self, browser: BrowserRequest) -> web.StreamResponse:
        """Turn it on or off."""
        on = (await browser.form()).get("enabled", "")
        await browser.ask("enableSource", _path(browser), {"enabled": on})
        return browser.render("source_state.html", **await _state(browser))

    async def secret(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make another secret; it is in this answer and nowhere else."""
        grace_h, made, refused = (await browser.form()).get("grace_h", "").strip(), None, ""
        try:
            body = {"grace_s": _seconds(grace_h)}
            made = await browser.ask("putSourceSecret", _path(browser), body=body)
        except Refusal as error:
            refused = told(error)
        return browser.render("source_secret.html", name=browser.path["source"], made=made, refused=refused)

    async def payloads(self, browser: BrowserRequest) -> web.StreamResponse:
        """Payloads by their state, or further rows of them."""
        more = bool(browser.request.query.get("cursor"))
        return browser.render("source_rows.html" if more else "source_payloads.html", **await _payloads(browser))

    async def retry(self, browser: BrowserRequest) -> web.StreamResponse:
        """Have what gave nothing, or not all, tried again."""
        asked = (await browser.form()).get("id", "")
        done, refused = None, ""
        try:
            done = await browser.ask("retryPayloads", _path(browser), {"id": asked})
        except Refusal as error:
            refused = told(error)
        return browser.render("source_payloads.html", **await _payloads(browser, retried=done, unretried=refused))

    async def payload(self, browser: BrowserRequest) -> web.StreamResponse:
        """One payload with its body, as far as it is shown."""
        found = await browser.ask("getPayload", {**_path(browser), "payload": browser.path["payload"]})
        body = None if found.base64 is None else base64.b64decode(found.base64)
        return browser.render("source_payload.html", one=found, **_readable(body, found.bytes))


def _readable(body: bytes | None, size: int | None) -> dict[str, Any]:
    """A body as text where it is some, else in hex; `cut` where it is the beginning only."""
    cut = body is not None and size is not None and size > len(body)
    if body is None:
        return {"text": None, "hex": False, "cut": False}
    # of a text that was cut the last character may lack bytes
    text = body.decode("utf-8", "ignore" if cut else "replace")
    is_text = "\ufffd" not in text and all(sign.isprintable() or sign in "\r\n\t" for sign in text)
    return {"text": text if is_text else body.hex(" ", 2), "hex": not is_text, "cut": cut}


def _seconds(hours: str) -> float | str:
    """Hours as seconds; what is no number as it was typed, for the API to refuse by name."""
    try:
        return float(hours or "0") * 3600
    except ValueError:
        return hours


async def _state(browser: BrowserRequest) -> dict[str, Any]:
    return {"source": await browser.ask("getSource", _path(browser))}


async def _payloads(browser: BrowserRequest, **more: Any) -> dict[str, Any]:
    asked = {name: browser.request.query.get(name, "") for name in ("state", "cursor")}
    found = await browser.ask("listPayloads", _path(browser), {**asked, "limit": SHOWN})
    known = {"name": browser.path["source"], "payloads": found, "state": asked["state"]}
    return {**known, "retried": None, "unretried": "", **more}


def _path(browser: BrowserRequest) -> dict[str, str]:
    return {"source": browser.path["source"]}
