"""Jobs: what is decoded again into history, how far it is, and what came of it."""

from aiohttp import web

from gateway.console.desk import Desk, Visit


class JobPages:
    """GET /jobs and one of them; served where the API has jobs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        if not self._desk.offers("listJobs"):
            return []
        page = self._desk.page
        return [
            web.get("/jobs", page(self.jobs)),
            web.get("/jobs/{job}", page(self.job)),
            web.post("/jobs/{job}/cancel", page(self.cancel)),
        ]

    async def jobs(self, visit: Visit) -> web.StreamResponse:
        """The newest jobs, or the rows alone."""
        query = {name: visit.request.query.get(name, "") for name in ("state", "cursor")}
        found = await visit.ask("listJobs", query={**query, "limit": "50"})
        template = "jobs.html"
        if visit.partial:
            template = "jobs_rows.html" if query["cursor"] else "jobs_list.html"
        return visit.render(template, jobs=found, asked=query)

    async def job(self, visit: Visit) -> web.StreamResponse:
        """One job with all of its figures."""
        found = await visit.ask("getJob", {"job": visit.path["job"]})
        return visit.render("job_part.html" if visit.partial else "job.html", job=found)

    async def cancel(self, visit: Visit) -> web.StreamResponse:
        """End a job."""
        reason = (await visit.form()).get("reason")
        found = await visit.ask("cancelJob", {"job": visit.path["job"]}, {"reason": reason})
        return visit.render("job_part.html", job=found)
