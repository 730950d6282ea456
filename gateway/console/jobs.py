"""Jobs: work beside the requests, how far it is, and what came of it."""

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi


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
        kinds = [] if browser.partial else (await browser.ask("listJobKinds"))["items"]
        return browser.render(template, jobs=found, asked=query, kinds=kinds)

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
