"""Grafana's HTTP API through grafana-client, with errors that say what a person can do."""

from collections.abc import Callable
from typing import Any, Final, Self

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaServerError, GrafanaTimeoutError
from niquests.exceptions import JSONDecodeError, RequestException

from broker.errors import PermanentError
from grafana.connection_errors import no_grafana, parsed, unreachable

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

    def __init__(self, url: str, token: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        scheme, host, port, path = parsed(url)
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._numbers: tuple[int, ...] | None = None
        self.api = GrafanaApi(
            token,
            host=host,
            port=port,
            protocol=scheme,
            url_path_prefix=f"{path}/" if path else "",
            timeout=timeout_s,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.client.s.close()

    def version(self) -> str | None:
        """Its version, or None where it does not say. Raises PermanentError where it is too old or no Grafana."""
        try:
            settings = self.api.client.GET("/frontend/settings")
        except JSONDecodeError as error:
            raise no_grafana(self.url, "no JSON") from error
        except (GrafanaClientError, GrafanaServerError) as error:
            theirs = isinstance(error.response, dict) and "message" in error.response
            if error.status_code in (401, 403) and theirs:
                raise self._refusal("its settings", error) from error
            raise no_grafana(self.url, error.response, error.status_code) from error
        except (GrafanaException, RequestException, OSError) as error:
            raise self._silence("its version", error) from error
        build = settings.get("buildInfo") if isinstance(settings, dict) else None
        if not isinstance(build, dict):
            raise no_grafana(self.url, settings)
        found = build.get("version")
        if not found:
            return None
        numbers = tuple(int(part) for part in str(found).split("-")[0].split(".")[:2] if part.isdigit())
        self._numbers = numbers if len(numbers) == 2 else None
        if self._numbers is not None and self._numbers < OLDEST:
            raise PermanentError(f"Grafana {found} is too old; Wattline needs {OLDEST[0]}.{OLDEST[1]} or later")
        return str(found)

    def older_than(self, major: int) -> bool:
        """Whether it is known, once `version` has asked, to be of an earlier major version."""
        return self._numbers is not None and self._numbers < (major,)

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
        except GrafanaClientError as error:
            raise self._refusal(what, error) from error
        except GrafanaServerError as error:
            raise PermanentError(f"{self.url} failed at {what}: {error.message}") from error
        except JSONDecodeError as error:
            raise PermanentError(f"{self.url} answered about {what} with no JSON") from error
        except (GrafanaException, RequestException, OSError) as error:
            raise self._silence(what, error) from error

    def _silence(self, what: str, error: Exception) -> PermanentError:
        if isinstance(error, GrafanaTimeoutError):
            return PermanentError(f"{self.url} gave no answer about {what} in {self._timeout_s:.0f} s")
        return unreachable(self.url, error)

    def _refusal(self, what: str, error: GrafanaException) -> PermanentError:
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
