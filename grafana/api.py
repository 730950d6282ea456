"""Grafana's HTTP API through grafana-client, with errors that say what a person can do."""

from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError
from niquests.exceptions import RequestException

from broker.errors import PermanentError

OLDEST: Final = (9, 4)
_TIMEOUT_S = 20.0
_NEED = (
    "give its service account the role Admin, or the permissions to write folders, data sources, dashboards and alerts"
)
_CONFLICTS = (409, 412)


class ConflictError(PermanentError):
    """Somebody else changed the same thing meanwhile, or it belongs to somebody else."""


class Grafana:
    """One Grafana and one organisation of it, which the token tells; leaving it closes its connections."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PermanentError(f"{url!r} is no address of Grafana; write http://host:3000 or https://host/path")
        path = parts.path.strip("/")
        self.url = url.rstrip("/")
        self.api = GrafanaApi(
            token,
            host=f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname,
            port=parts.port,
            protocol=parts.scheme,
            url_path_prefix=f"{path}/" if path else "",
            timeout=_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.client.s.close()

    def version(self) -> str | None:
        """Its version, or None where it does not say. Raises PermanentError where it is too old."""
        found = self.ask("its health", self.api.health.check).get("version")
        if not found:
            return None
        numbers = tuple(int(part) for part in str(found).split("-")[0].split(".")[:2] if part.isdigit())
        if len(numbers) == 2 and numbers < OLDEST:
            raise PermanentError(f"Grafana {found} is too old; Wattline needs {OLDEST[0]}.{OLDEST[1]} or later")
        return str(found)

    def find(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a call gives, or None where Grafana has no such thing. Raises as `ask` does."""
        try:
            return self.ask(what, call, *arguments)
        except NotThereError:
            return None

    def ask(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a call gives. Raises ConflictError, NotThereError, or PermanentError with what to do."""
        try:
            return call(*arguments, **named)
        except GrafanaTimeoutError as error:
            raise PermanentError(f"{self.url} gave no answer about {what} in {_TIMEOUT_S:.0f} s") from error
        except GrafanaClientError as error:
            raise self._refusal(what, error) from error
        except GrafanaException as error:
            raise PermanentError(f"{self.url} failed at {what}: {error.message}") from error
        except (RequestException, OSError) as error:
            raise PermanentError(f"{self.url} can't be reached: {error}") from error

    def _refusal(self, what: str, error: GrafanaClientError) -> PermanentError:
        said = error.response.get("message", "") if isinstance(error.response, dict) else str(error.response)
        match error.status_code:
            case 401:
                return PermanentError(
                    f"{self.url} does not know this token: make one under Administration > Service accounts"
                )
            case 403:
                return PermanentError(f"{self.url}: the token may not touch {what} ({said}): {_NEED}")
            case 404:
                return NotThereError(f"{self.url} has no {what} ({said})")
            case status if status in _CONFLICTS:
                return ConflictError(f"{what}: {said or 'somebody else changed it meanwhile'}")
        return PermanentError(f"{self.url} refuses {what}: {said}")


class NotThereError(PermanentError):
    """Grafana has no such thing."""
