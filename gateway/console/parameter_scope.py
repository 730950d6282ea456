"""Whose parameters a page is about: the fleet's, a group's or a device's, by the API's operations on each."""

from collections.abc import Mapping
from typing import Any, Final

from broker.wording import counted
from gateway.console.browser import BrowserRequest, segment
from gateway.console.parameter_form import by_field
from gateway.faults import Refusal

WAIT_S: Final = "3"
"""How long a change waits for the device's report before the page goes on; the rest comes live."""


class Scope:
    """Whose parameters a request is about."""

    def __init__(self, browser: BrowserRequest) -> None:
        self._browser = browser
        self.device, self.group = browser.path.get("device"), browser.path.get("group")
        self.name = self.device or (f"group {self.group}" if self.group else "the fleet")
        self._kind = "Device" if self.device else "Group" if self.group else "Fleet"
        self._operation = f"{self._kind}Parameters"
        self._path = {name: browser.path[name] for name in ("device", "group") if name in browser.path}
        self.base = "".join(f"/{name}s/{segment(value)}" for name, value in self._path.items()) + "/parameters"

    @property
    def may_change(self) -> bool:
        """Whether the browser's role covers a change."""
        return self._browser.may(f"patch{self._operation}")

    @property
    def has_history(self) -> bool:
        """Whether the API keeps and shows versions."""
        return self._browser.may(f"get{self._kind}ParameterHistory")

    @property
    def may_stage(self) -> bool:
        """Whether a change of this scope can go to a share of its devices first."""
        return self.device is None and self._browser.may(f"stage{self._operation}")

    async def stage(self, body: Mapping[str, Any], reason: str | None) -> Any:
        """Begin a staged change. Raises Refusal."""
        return await self._browser.ask(f"stage{self._operation}", self._path, {"reason": reason}, dict(body))

    async def versions(self) -> Any:
        """The newest versions."""
        found = await self._browser.ask(f"get{self._kind}ParameterHistory", self._path, {"limit": "50"})
        return found.items

    async def rollback(self, version: str) -> None:
        """Bring a version back. Raises Refusal."""
        await self._browser.ask(f"rollback{self._kind}Parameters", self._path, {"to": version, "wait_s": WAIT_S})

    async def read(self) -> Any:
        """The parameters as the API has them, with their ETag."""
        return await self._browser.ask(f"get{self._operation}", self._path)

    def refused(self, patch: Mapping[str, Any]) -> dict[str, str]:
        """What the API would refuse of a patch, by parameter."""
        route = self._browser.console.route(f"patch{self._operation}")
        try:
            route.validated(self._browser.asked(body=dict(patch)))
        except Refusal as error:
            return by_field(error.faults)
        return {}

    async def patch(self, patch: Mapping[str, Any], reason: str | None, etag: str | None) -> Any:
        """Change them. Raises Refusal."""
        query = {"reason": reason, "wait_s": WAIT_S}
        return await self._browser.ask(f"patch{self._operation}", self._path, query, dict(patch), if_match=etag)

    def done(self, answer: Any, names: list[str]) -> str:
        """What came of a change, in a sentence."""
        what = ", ".join(names)
        if not self.device:
            get_it = f"{counted(len(answer.changed), 'device')} {'gets' if len(answer.changed) == 1 else 'get'} it"
            pending = f", {len(answer.pending)} still to report it" if answer.pending else ""
            return f"Changed {what}: {get_it}{pending}."
        report = answer.reported
        if report is None or answer.version is None or report.version < answer.version:
            return f"Changed {what}: version {answer.version} is published; waiting for the device to apply it."
        if report.state == "refused":
            return f"Changed {what}, but the device refused version {report.version}."
        return f"Changed {what}: the device applied version {report.version}."
