"""Jobs over the HTTP API, from the command line's side."""

from typing import Any

from yarl import URL

from cli.client.http import ConfigClient


class JobClient(ConfigClient):
    """Asks for jobs at one gateway, reads and cancels them; enter it with `async with`."""

    async def jobs(self, limit: int, **query: str | None) -> list[dict[str, Any]]:
        """The newest jobs."""
        given = {name: value for name, value in query.items() if value is not None}
        page = await self._call("GET", self._at("jobs").with_query({**given, "limit": str(limit)}))
        found: list[dict[str, Any]] = page["items"]
        return found

    async def job(self, number: int) -> dict[str, Any]:
        """One job."""
        return await self._call("GET", self._at("jobs", number))

    async def source(self, name: str) -> dict[str, Any]:
        """A source, whose mapping an import is to read by."""
        return await self._call("GET", self._at("sources", name))

    async def cancel(self, number: int, *, author: str, reason: str | None) -> dict[str, Any]:
        """End a job."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("POST", self._at("jobs", number, verb="cancel").with_query(query))

    async def retry(self, number: int, *, author: str, reason: str | None) -> dict[str, Any]:
        """Try a job again."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("POST", self._at("jobs", number, verb="retry").with_query(query))

    async def run(
        self, kind: str, arguments: dict[str, Any], priority: int | None, *, author: str, reason: str | None
    ) -> dict[str, Any]:
        """Ask for a job."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        body = {"kind": kind, "arguments": arguments} | ({} if priority is None else {"priority": priority})
        return await self._call("POST", self._at("jobs").with_query(query), body)

    async def kinds(self) -> list[dict[str, Any]]:
        """All kinds of jobs."""
        page = await self._call("GET", self._at("job-kinds"))
        found: list[dict[str, Any]] = page["items"]
        return found

    async def schedules(self) -> list[dict[str, Any]]:
        """All schedules."""
        page = await self._call("GET", self._at("job-schedules"))
        found: list[dict[str, Any]] = page["items"]
        return found

    async def put_schedule(self, name: str, body: dict[str, Any], *, author: str, reason: str | None) -> dict[str, Any]:
        """Make or change a schedule."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("PUT", self._at("job-schedules", name).with_query(query), body)

    async def drop_schedule(self, name: str, *, author: str, reason: str | None) -> dict[str, Any]:
        """Remove a schedule."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("DELETE", self._at("job-schedules", name).with_query(query))

    def file_of(self, number: int) -> tuple[URL, str | None]:
        """Where the file of a job is, and the token by which it is fetched."""
        return self._at("jobs", number, "file"), self._token

    def files(self, name: str) -> tuple[URL, str | None]:
        """Where a file is sent, and the token by which it is."""
        return self._at("job-files").with_query({"name": name}), self._token

    @property
    def _token(self) -> str | None:
        return self._headers.get("Authorization", "").removeprefix("Bearer ") or None
