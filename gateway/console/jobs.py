"""Jobs: work beside the requests, how far it is, and what came of it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi
from gateway.faults import Kind, Refusal, invalid
from gateway.wording import typed_pair


class JobPages:
    """GET /jobs and one of them; served where the API has jobs."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        if not self._console.offers("listJobs"):
            return []
        page = self._console.page
        return [
            web.get("/jobs", page(self.jobs)),
            web.post("/jobs", page(self.ask)),
            web.post("/job-schedules", page(self.put_schedule)),
            web.post("/job-schedules/{schedule}/remove", page(self.remove_schedule)),
            web.get("/jobs/{job}", page(self.job)),
            web.post("/jobs/{job}/cancel", page(self.cancel)),
            web.post("/jobs/{job}/retry", page(self.retry)),
        ]

    async def jobs(self, browser: BrowserRequest) -> web.StreamResponse:
        """The newest jobs, or the rows alone."""
        query = {name: browser.request.query.get(name, "") for name in ("state", "kind", "cursor")}
        found = await browser.ask("listJobs", query={**query, "limit": "50"})
        template = "jobs.html"
        if browser.partial:
            template = "jobs_rows.html" if query["cursor"] else "jobs_list.html"
        if browser.partial:
            return browser.render(template, jobs=found, asked=query)
        schedules = await self._schedules(browser)
        backup = await self._newest_backup(browser)
        return browser.render(template, jobs=found, asked=query, form={}, refused="", backup=backup, **schedules)

    async def ask(self, browser: BrowserRequest) -> web.StreamResponse:
        """Ask for a job, and show it."""
        form = await browser.form()
        try:
            body = {"kind": form.get("kind", ""), "arguments": _arguments(form.get("arguments", ""))}
            found = await browser.ask("askJob", query={"reason": form.get("reason")}, body=body)
        except Refusal as error:
            kinds = (await browser.ask("listJobKinds")).items
            return browser.render("jobs_ask.html", kinds=kinds, form=form, refused=_fault(error))
        return browser.go(f"/jobs/{found.job}")

    async def put_schedule(self, browser: BrowserRequest) -> web.StreamResponse:
        """Make or change a schedule."""
        form = await browser.form()
        try:
            body = {name: form.get(name, "") for name in ("kind", "cron", "zone")}
            arguments = _arguments(form.get("arguments", ""))
            path = {"schedule": form.get("schedule", "").strip() or "-"}
            await browser.ask("putJobSchedule", path, body={**body, "arguments": arguments})
        except Refusal as error:
            return browser.render("job_schedules.html", **await self._schedules(browser, form, _fault(error)))
        return browser.render("job_schedules.html", **await self._schedules(browser))

    async def remove_schedule(self, browser: BrowserRequest) -> web.StreamResponse:
        """Remove a schedule; its jobs stay."""
        await browser.ask("deleteJobSchedule", {"schedule": browser.path["schedule"]})
        return browser.render("job_schedules.html", **await self._schedules(browser))

    @staticmethod
    async def _newest_backup(browser: BrowserRequest) -> Any:
        """The job that made the newest good backup; None where there is none."""
        found = await browser.ask("listJobs", query={"kind": "backup", "state": "done", "limit": "1"})
        return found.items[0] if found.items else None

    @staticmethod
    async def _schedules(
        browser: BrowserRequest, planned: Mapping[str, str] | None = None, unset: str = ""
    ) -> dict[str, Any]:
        """What the part about schedules shows; `planned` is what was typed, and `unset` why it was refused."""
        kinds, schedules = await browser.ask("listJobKinds"), await browser.ask("listJobSchedules")
        return {"kinds": kinds.items, "schedules": schedules.items, "planned": planned or {}, "unset": unset}

    async def job(self, browser: BrowserRequest) -> web.StreamResponse:
        """One job with all of its figures."""
        found = await browser.ask("getJob", {"job": browser.path["job"]})
        return browser.render("job_part.html" if browser.partial else "job.html", job=found)

    async def cancel(self, browser: BrowserRequest) -> web.StreamResponse:
        """End a job."""
        reason = (await browser.form()).get("reason")
        found = await browser.ask("cancelJob", {"job": browser.path["job"]}, {"reason": reason})
        return browser.render("job_part.html", job=found)

    async def retry(self, browser: BrowserRequest) -> web.StreamResponse:
        """Try a job again."""
        reason = (await browser.form()).get("reason")
        found = await browser.ask("retryJob", {"job": browser.path["job"]}, {"reason": reason})
        return browser.render("job_part.html", job=found)


def _arguments(text: str) -> dict[str, Any]:
    """NAME=VALUE, one a line. Raises Refusal."""
    try:
        return dict(typed_pair(line) for line in text.splitlines() if line.strip())
    except ValueError as error:
        raise invalid("arguments", str(error), "") from error


def _fault(error: Refusal) -> str:
    """What to tell beside the form. Raises what is no fault of a person's."""
    if error.kind not in (Kind.INVALID, Kind.TOO_MANY, Kind.MALFORMED):
        raise error
    return "; ".join(str(one) for one in error.faults) or error.detail
