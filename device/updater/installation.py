"""How a release becomes a slot: believed, fetched, checked, built and tried out, while whatever runs runs on."""

from pathlib import Path
from typing import Protocol

from broker.errors import ContractError
from device.releases.document import FILES, Release
from device.updater.environment import Environment, environment_of
from device.updater.fetching import Fetcher
from device.updater.slots import CURRENT, UPDATER, Slots


class Sources(Protocol):
    """Where releases come from."""

    def release(self, source: str, version: str) -> Release:
        """What the publishers signed of a version. Raises UntrustedReleaseError, ReleasesUnreachableError."""

    def fetcher(self, url: str, folder: Path) -> Fetcher:
        """Who gets files below this address into a folder."""


class Installation:
    """Builds the slots of one machine."""

    def __init__(self, slots: Slots, platform: str, sources: Sources, image: str = "") -> None:
        self.slots = slots
        self._image = image
        self._platform = platform
        self._sources = sources

    def believed(self, source: str, version: str) -> Environment:
        """What a version consists of here.

        Raises UntrustedReleaseError, ContractError where it has nothing for this machine, ReleasesUnreachableError.
        """
        return environment_of(self._sources.release(source, version), self._platform, self._image)

    def fetcher(self, source: str) -> Fetcher:
        """Who gets the files of releases of this source."""
        return self._sources.fetcher(f"{source.rstrip('/')}/{FILES}", self.slots.files)

    def install(self, environment: Environment, fetcher: Fetcher) -> None:
        """Build its slot, unless it is whole. Raises ContractError, TransientError, OSError."""
        self.slots.prepare()
        if self.slots.is_whole(environment):
            return
        lacking = sum(fetcher.lacks(*file) for file in environment.files.items())
        self.slots.room_for(environment, lacking)
        for file in environment.files.items():
            fetcher.get(*file)
        self.slots.build(environment)

    def first(self, source: str, version: str) -> Environment:
        """Install the first release of a machine, without a trial: what there was before is no release.

        Raises as `believed` and `install`, and ContractError where there is one already.
        """
        if (there := self.slots.linked(CURRENT)) != "":
            raise ContractError(
                f"{self.slots.root}/{CURRENT} leads to {there} already", field="root", fix="let the platform update it"
            )
        environment = self.believed(source, version)
        self.install(environment, self.fetcher(source))
        # the agent's last: with it, all of this is done
        for link in (UPDATER, CURRENT):
            self.slots.link(link, environment.slot)
        return environment
