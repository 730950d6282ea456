"""The agent's certificate: asked for at the first start, renewed for ever, while readings go into the outbox."""

import asyncio
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from broker.backoff import Backoff
from broker.runtime.settings import BrokerAddress
from device.clock import kernel_synchronised
from device.enrolment.certificate_file import FILE, StoredCertificate, stored_in
from device.enrolment.certificate_request import CertificateRequest, Outcome
from device.enrolment.schedule import due_in_s, patience_s, wants_renewal
from device.hardware import device_id, hardware
from device.metrics import DeviceMetrics
from device.settings import EnrolSettings
from device.token.watch import TokenWatch
from device.token_uri import SETTING, id_in

log = structlog.get_logger()
PROCESS_S: Final = 90.0
LOOK_EVERY_S: Final = 30.0
"""How often it is looked whether the time has come: the clock may be set meanwhile."""
REFUSED_S: Final = 600.0
"""A device that was refused asks again after so long: a person may have thought better of it."""
REST_SHARE: Final = 0.2
"""Of a certificate's life: so long after one that was issued no other is asked for, whatever the clock says."""


class Standing(Protocol):
    """How we stand with the broker: a session."""

    @property
    def connected(self) -> bool:
        """Whether it has let us in."""

    @property
    def refused(self) -> bool:
        """Whether it answered the last attempt, and did not let us in."""


class Enrolment:
    """Keeps the certificate in `folder` good; `ready` waits until there is one."""

    def __init__(self, settings: EnrolSettings, folder: Path, device: str, metrics: DeviceMetrics) -> None:
        self._settings = settings
        self._folder = folder
        self._device = device
        self._hardware = settings.hardware_id or device_id()
        self._metrics = metrics
        self._there = asyncio.Event()
        self._backoff = Backoff(first_s=2.0, cap_s=300.0)
        self._rest_until_s = 0.0
        self._alone_since_s = 0.0
        self._refused_since_s: float | None = None
        self._in_vain = 0
        self._waits_by_claim = False
        self._state = "not asked yet"
        self.elsewhere: Callable[[], tuple[str, Path | None] | None] = lambda: None
        """Where the platform wants certificates to be renewed, and by which CA; None where settings say it."""
        self.settle: Callable[[], None] = lambda: None
        """Has the certificate in use be the one for where the device is: another may have come meanwhile."""
        self._failures = 0
        self._token = None if settings.key is None else TokenWatch(settings.key, folder / FILE)

    def address(self, broker: BrokerAddress) -> BrokerAddress:
        """The broker, reached by TLS and our certificate; each connection reads its file anew."""
        changes = {"tls_certificate": self._folder / FILE, "tls_key": None, "password": None, "password_file": None}
        return broker.model_copy(update=changes | {"tls_ca": broker.tls_ca or self._settings.authority})

    async def ready(self) -> None:
        """Wait until there is a certificate, and its key can be used."""
        await self._there.wait()
        while self._token is not None and not await self._token.usable():
            self._metrics.enrolments.labels("token").inc()
            await asyncio.sleep(self._token.pause_s())
            await self._there.wait()

    def health(self) -> tuple[bool, str]:
        """For /healthz: waiting for a person is no illness, the outbox is there for it."""
        return True, (self._token.fault if self._token else "") or self._state

    async def run(self, standing: Standing) -> None:
        """Ask and renew for ever."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._alone_since_s = asyncio.get_running_loop().time()
        while True:
            self._see(standing)
            self.settle()
            held = self._held()
            if held is None:
                self._there.clear()
                await asyncio.sleep(self._heeded(await self._ask(renew=False)))
                continue
            self._there.set()
            kept_out = self._kept_out(held)
            if not kept_out and not self._is_due(held):
                await asyncio.sleep(min(LOOK_EVERY_S, max(0.5, due_in_s(held, datetime.now(UTC)))))
                continue
            if kept_out:
                log.warning(
                    "certificate_refused_by_broker", identity=held.identity, next="asking the gateway for another"
                )
            outcome = await self._renewed()
            if outcome.result == "issued":
                self._in_vain += kept_out
                self._refused_since_s = None
            await asyncio.sleep(self._heeded(outcome))
            self._alone_since_s = asyncio.get_running_loop().time()

    def _see(self, standing: Standing) -> None:
        now_s = asyncio.get_running_loop().time()
        if standing.connected:
            self._alone_since_s, self._in_vain = now_s, 0
        if not standing.refused:
            self._refused_since_s = None
        elif self._refused_since_s is None:
            self._refused_since_s = now_s

    def _is_due(self, held: StoredCertificate) -> bool:
        now_s = asyncio.get_running_loop().time()
        alone_s, kept = now_s - self._alone_since_s, kernel_synchronised()
        due = wants_renewal(held, datetime.now(UTC), clock_kept=kept, alone_s=alone_s)
        if self._token is not None and id_in((self._folder / FILE).read_bytes()) is None:
            # its key is in a file yet: the next one is not
            due = True
        return due and now_s >= self._rest_until_s

    def _kept_out(self, held: StoredCertificate) -> bool:
        """Whether the broker refuses a certificate that should be good, and has for long enough to ask why."""
        if self._refused_since_s is None:
            return False
        return asyncio.get_running_loop().time() - self._refused_since_s >= patience_s(held, self._in_vain)

    async def _renewed(self) -> Outcome:
        """The next certificate by the one before; where that is not good any more, by the claim."""
        # who waits by its claim asks by nothing else meanwhile: each refusal is a line of the gateway's audit
        if not self._waits_by_claim:
            outcome = await self._ask(renew=True)
            if outcome.result != "refused" or self._settings.claim is None:
                return outcome
            log.warning("certificate_not_renewed", reason=outcome.detail, next="asking by the claim")
        outcome = await self._ask(renew=False)
        self._waits_by_claim = outcome.result == "waiting"
        return outcome

    def _held(self) -> StoredCertificate | None:
        """The certificate that we have; one that was given to another machine, with a copied card, is not ours.

        Nor is one whose key is not to be had: in a token that no setting names any more, or not in the one it names.
        """
        held = stored_in(self._folder / FILE)
        if held is not None and self._has_lost_its_key():
            return None
        if held is None or held.hardware == self._hardware:
            self._metrics.certificate_end_s.set(held.not_after.timestamp() if held else 0)
            return held
        log.error("certificate_of_another_machine", identity=held.identity, given_to=held.hardware, here=self._hardware)
        (self._folder / FILE).unlink(missing_ok=True)
        return None

    def _has_lost_its_key(self) -> bool:
        if self._token is not None:
            return self._token.key_is_gone
        if id_in((self._folder / FILE).read_bytes()) is None:
            return False
        log.error("certificate_key_in_token", fix=f"set {SETTING} again, or be let in anew by the claim")
        return True

    def _heeded(self, outcome: Outcome) -> float:
        """Say what came of it; returns for how long to wait now."""
        self._metrics.enrolments.labels(outcome.result).inc()
        self._state = f"{outcome.result}: {outcome.detail}"
        if outcome.result == "issued":
            self._backoff = Backoff(first_s=2.0, cap_s=300.0)
            held = stored_in(self._folder / FILE)
            self._rest_until_s = asyncio.get_running_loop().time() + (REST_SHARE * held.life_s if held else 0.0)
            if self._token is not None:
                self._token.key_is_gone = False
            log.info("certificate_issued", detail=outcome.detail)
            return 0.0
        wait_s = REFUSED_S if outcome.result == "refused" else self._backoff.next_s()
        wait_s = max(wait_s, 1.0, outcome.retry_s) if outcome.result != "waiting" else max(1, outcome.retry_s)
        # many that wait for the same thing shall not come at the same moment
        wait_s *= random.uniform(1.0, 1.25)  # noqa: S311 - jitter needs no cryptography
        log.warning("certificate_not_yet", result=outcome.result, reason=outcome.detail, retry_in_s=round(wait_s))
        return wait_s

    async def _ask(self, *, renew: bool) -> Outcome:
        settings, facts = self._settings, hardware().model_dump(exclude_none=True)
        url, authority = self._place(renew=renew)
        order = CertificateRequest(
            url, str(authority), str(self._folder), self._device, self._hardware, facts,
            settings.claim or "", settings.secret() or "", renew,
            home="" if url == settings.url else str(settings.authority), key=settings.key or "",
        )  # fmt: skip
        if not renew and not (order.claim and order.token):
            return Outcome("refused", "no claim is set: set ENROL__CLAIM and ENROL__TOKEN_FILE")
        outcome = await _done(order)
        self._failures = 0 if outcome.result == "issued" else self._failures + 1
        return outcome

    def _place(self, *, renew: bool) -> tuple[str, Path | None]:
        """Where to ask: renewals where the platform wants it, and at each second attempt where settings say.

        The claim's token goes nowhere but where settings say: whoever has it makes devices.
        """
        told = self.elsewhere()
        if told is None or not renew or self._failures % 2:
            return self._settings.url or "", self._settings.authority
        return told[0], told[1] or self._settings.authority


async def _done(order: CertificateRequest) -> Outcome:
    """Have another process do it: it takes the memory for it, and gives it back."""
    pipe = asyncio.subprocess.PIPE
    # -P: what lies in the working folder is none of ours
    words = (sys.executable, "-P", "-m", "device.enrolment")
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        return Outcome("failed", f"no process could be started: {error}")
    try:
        async with asyncio.timeout(PROCESS_S):
            said, complaint = await process.communicate(order.text())
        return Outcome.read(said)
    except TimeoutError:
        return Outcome("failed", f"no end in {PROCESS_S:g} s")
    except (ValueError, TypeError):
        told = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        return Outcome("failed", f"the process ended with {process.returncode}: {told[0][:300]}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
