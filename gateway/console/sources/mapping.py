"""The editor of a source's mapping: judged as one types, previewed on a payload, given."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi, number_or_text
from gateway.faults import Kind, Refusal

STARTER: Final = """wattline_mapping: 1
# docs/SOURCES.md has a complete example
format: {type: json}
"""
_JUDGED: Final = (Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED, Kind.STALE, Kind.UNKNOWN)


class MappingPages:
    """POST /sources/{source}/check and /mapping."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page, one = self._console.page, "/sources/{source}"
        return [
            web.post(one + "/check", page(self.check)),
            web.post(one + "/mapping", page(self.give)),
            web.get(one + "/mappings/{version}", page(self.version)),
        ]

    async def check(self, browser: BrowserRequest) -> web.StreamResponse:
        """What speaks against the mapping, and what it makes of a kept payload or a sample; nothing is stored."""
        form = await browser.form()
        number, sample = form.get("id", "").strip(), form.get("sample", "")
        body: dict[str, Any] = {"mapping": _lines(form.get("text", ""))}
        if sample.strip() or not number:
            body |= {"payload": sample, "topic": form.get("topic", "").strip() or None}
        else:
            body["id"] = number_or_text(number)
        try:
            tried = await browser.ask("trySourceMapping", {"source": browser.path["source"]}, body=body)
        except Refusal as error:
            if error.kind not in _JUDGED:
                raise
            return browser.render("source_preview.html", error=error, tried=None)
        # without a payload the mapping alone was judged
        return browser.render(
            "source_preview.html", error=None, tried=tried if "id" in body or sample.strip() else None
        )

    async def give(self, browser: BrowserRequest) -> web.StreamResponse:
        """Give the source this mapping as its next version, in force at once."""
        form = await browser.form()
        query = {"reason": form.get("reason")}
        try:
            text = _lines(form.get("text", "")).encode()
            done = await browser.ask("putSourceMapping", {"source": browser.path["source"]}, query, text)
        except Refusal as error:
            if error.kind not in _JUDGED:
                raise
            return browser.render("source_mapped.html", error=error, done=None)
        return browser.acted(browser.render("source_mapped.html", error=None, done=done))

    async def version(self, browser: BrowserRequest) -> web.StreamResponse:
        """An earlier version, as its author wrote it."""
        path = {"source": browser.path["source"]}
        found = await browser.ask("getSourceMapping", path, {"version": browser.path["version"]})
        return browser.render("source_mapping.html", one=found)


async def editor(browser: BrowserRequest, source: Any, payloads: Sequence[Any]) -> dict[str, Any]:
    """What the editor begins with: the mapping in force, or a draft of a payload; and the payload to try it on."""
    query, path = browser.request.query, {"source": source.name}
    text, notes = STARTER, ()
    if draft := query.get("draft"):
        kept = await browser.ask("getPayload", {**path, "payload": draft})
        sample = {"base64": kept.base64 or "", "content_type": kept.content_type, "topic": kept.topic}
        made = await browser.ask("draftSourceMapping", body=sample)
        text, notes = made.document, made.notes
    elif source.version is not None:
        text = (await browser.ask("getSourceMapping", path)).document
    versions = (await browser.ask("listSourceMappings", path)).items
    kept_ones = [one.id for one in payloads if one.bytes is not None]
    number = draft or query.get("payload") or (str(kept_ones[0]) if kept_ones else "")
    return {"text": text, "notes": notes, "versions": versions, "number": number}


def _lines(text: str) -> str:
    # browsers send CR LF, which is not what the author wrote
    return text.replace("\r\n", "\n")
