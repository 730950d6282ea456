"""The broker's addresses that a device has: the one that is good, the one before, the one on trial; on its disk."""

import contextlib
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
from pydantic import Field, ValidationError

from broker.contract.messages import Message, Parameters, Text
from broker.errors import ContractError, PermanentError
from broker.runtime.settings import BrokerAddress
from device import mailbox
from device.enrolment.certificate_file import FILE as FILE_IN_USE
from device.enrolment.certificate_file import TOLD_FILE, use
from device.moving.target import HOME, Target, address_of, authority_file, wished
from device.sealed_file import read_either, write_twice

log = structlog.get_logger()

FILE: Final = "broker.json"
STARTS_MAX: Final = 5
"""Starts of the agent in the middle of one trial: an address must not end the agent for ever."""


class AddressTrial(Message):
    """An address that must prove itself; `elapsed_s` counts while the agent runs, over restarts.

    `returning`: not told by the platform, but the one before, since at the good one nothing is confirmed.
    """

    target: Target
    elapsed_s: Annotated[float, Field(ge=0)] = 0.0
    starts: int = 0
    returning: bool = False


class AddressFailed(Message):
    """An address that did not prove itself, until the configuration without it is in force."""

    target: Target
    reason: Text


class AddressState(Message):
    """All that is known; `own` is the address of the settings when this was written."""

    own: str = ""
    good: Target = HOME
    before: Target | None = None
    trial: AddressTrial | None = None
    failed: AddressFailed | None = None
    overruled: Target | None = None
    """What was told when a person set another address on the device: it counts no more until another one is told."""


class Addresses:
    """`broker.json` in the data folder; each change is one atomic write, on the disk before the method returns."""

    def __init__(self, folder: Path, own: BrokerAddress) -> None:
        self.own = own
        self._folder = folder
        self._path = folder / FILE
        self.state = AddressState(own=self._named())
        self.damage = ""

    def load(self, parameters: Parameters | None = None) -> None:
        """Take up what the last run left; where the settings name another broker now, that was a person's deed.

        It goes before what the parameters in force say, too.
        """
        with contextlib.suppress(FileNotFoundError):
            try:
                found = read_either(self._path)
                self.damage = found.damage
                state = AddressState.model_validate_json(found.data, extra="ignore")
            except (OSError, ContractError, ValidationError, ValueError) as error:
                if isinstance(error, FileNotFoundError):
                    raise
                self.damage = str(error)[:1000]
                log.warning("broker_addresses_unreadable", path=str(self._path), error=self.damage)
                return
            if state.own != self._named():
                log.warning("broker_of_settings_changed", before=state.own, now=self._named())
                overruled = wished(parameters, self.own) if parameters is not None else None
                self.save(own=self._named(), trial=None, failed=None, before=None, good=HOME, overruled=overruled)
                return
            self.state = state
            if state.trial is not None:
                self.save(trial=state.trial.model_copy(update={"starts": state.trial.starts + 1}))

    def wish(self, parameters: Parameters) -> Target | None:
        """Where the platform wants the device to be; None where it says nothing of it, or was overruled."""
        wish = wished(parameters, self.own)
        if self.state.overruled is None:
            return wish
        if wish == self.state.overruled:
            return None
        self.save(overruled=None)
        return wish

    def save(self, **changes: Any) -> None:
        """Keep a change. A disk that refuses is logged: it holds for this run."""
        self.state = self.state.model_copy(update=changes)
        try:
            write_twice(self._path, self.state.payload())
            target = self.in_use
            mailbox.put_broker(self._folder / "software", target.address and self._nodes(target))
        except OSError as error:
            log.warning("broker_addresses_not_saved", path=str(self._path), error=str(error))

    @property
    def in_use(self) -> Target:
        """Where the broker is looked for now."""
        return self.state.trial.target if self.state.trial is not None else self.state.good

    def address(self) -> BrokerAddress:
        """How the broker is reached now. An address that can't be used is left for that of the settings."""
        try:
            return self.reach(self.in_use)
        except (PermanentError, OSError) as error:
            log.error("broker_address_unusable", address=self.in_use.name, reason=str(error))  # noqa: TRY400
            return self.own

    def settle(self, *, arrived: bool = False) -> None:
        """Have the certificate in use be the one for where the broker is looked for. A disk that refuses is logged.

        A place that is told is shown the one that home believes, until it has given another; one of a place before it
        is forgotten when the device has `arrived`.
        """
        file, trial = self.own.tls_certificate, self.state.trial
        if file is None or file.name != FILE_IN_USE:
            return
        try:
            use(file.parent, told=bool(self.in_use.enrol_url) and (trial is None or trial.returning))
            if arrived:
                file.with_name(TOLD_FILE).unlink(missing_ok=True)
        except OSError as error:
            log.warning("certificate_not_changed", path=str(file), error=str(error))

    def reach(self, target: Target) -> BrokerAddress:
        """How the broker is reached at a target. Raises PermanentError or OSError where it can't be tried."""
        return address_of(target, self.own, self._folder)

    def enrolment(self) -> tuple[str, Path | None] | None:
        """Where certificates are renewed at the good address, and by which CA; None where settings say it."""
        good = self.state.good
        if not good.enrol_url:
            return None
        return good.enrol_url, authority_file(good, self._folder) if good.authority else None

    def clear(self) -> None:
        """Remove the CA files that nobody needs any more; only once the session has left for `in_use`."""
        state = self.state
        tried = state.trial.target if state.trial is not None else HOME
        kept = (state.good, state.before or HOME, tried)
        names = {authority_file(one, self._folder) for one in kept if one.authority}
        for path in self._folder.glob("broker-*.pem"):
            if path not in names:
                path.unlink(missing_ok=True)

    def _named(self) -> str:
        return ",".join(f"{node.host.lower()}:{node.port}" for node in self.own.nodes())

    def _nodes(self, target: Target) -> str:
        nodes = self.own.model_copy(update={"host": target.address}).nodes()
        return ",".join(
            f"[{node.host}]:{node.port}" if ":" in node.host else f"{node.host}:{node.port}" for node in nodes
        )
