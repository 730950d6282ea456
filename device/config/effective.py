"""What is in force: the configuration, the specs that it names, and those by which readings are made now."""

from collections.abc import Callable

from device.config.configuration import Configuration, Verdict
from device.config.spec_store import SpecStore
from meters.specs.spec import Spec

Report = Callable[[Verdict | None, dict[str, str]], None]
"""Reports the configuration, with the specs in use by meter; without a verdict only these have changed."""


class EffectiveConfig:
    """The configuration in force with its specs; `revision` rises with each change of either.

    `specs_in_use` names the spec by which each meter's readings are made; a change of it is reported.
    """

    def __init__(self, config: Configuration, specs: SpecStore, report: Report) -> None:
        self.config = config
        self.specs = specs
        self.revision = 0
        self.specs_in_use: dict[str, str] = {}
        self._report = report

    def spec_of(self, meter: str) -> Spec | None:
        """The spec in force for a meter; None where it has none, or the spec has not come yet."""
        config = self.config.meter(meter) if meter else None
        return self.specs.get(config.spec) if config is not None and config.spec is not None else None

    def missing_specs(self) -> frozenset[str]:
        """The references of specs that the configuration names and that have not come."""
        return frozenset(ref for ref in self.config.spec_refs() if self.specs.get(ref) is None)

    def crc_variants(self) -> tuple[str, ...]:
        """The variants of P1's CRC that the specs in force name."""
        specs = (self.specs.get(ref) for ref in self.config.spec_refs())
        return tuple({crc for spec in specs if spec is not None for crc in spec.decode.crc})

    def is_undecided(self, meter: str) -> bool:
        """Whether a change is on trial by which this meter was not read yet, and still may be."""
        config = self.config.meter(meter)
        if config is None or config.spec is None:
            return False
        trial = self.config.trial
        if trial is None:
            return meter in self.config.unheard
        watched = trial.watched.get(meter)
        return watched is None or watched.open

    def use_spec(self, meter: str, ref: str) -> None:
        """Note by which spec a meter's readings are made; a change is reported."""
        if self.specs_in_use.get(meter) != ref:
            self.specs_in_use[meter] = ref
            self._report(None, self.specs_in_use)

    def report(self, verdict: Verdict) -> None:
        """Report the configuration (again)."""
        self._report(verdict, self.specs_in_use)

    def take_spec(self, spec: str, version: int, payload: bytes) -> str:
        """Keep a received spec; returns its reference. Raises ContractError as SpecStore.take does."""
        ref = self.specs.take(spec, version, payload)
        self.revision += 1
        return ref

    def changed(self) -> None:
        """Another configuration is in force: what it needs no more is let go."""
        self.revision += 1
        self.specs.keep_only(self.config.spec_refs())
        for meter in [meter for meter in self.specs_in_use if not self._has_spec(meter)]:
            del self.specs_in_use[meter]

    def _has_spec(self, meter: str) -> bool:
        config = self.config.meter(meter)
        return config is not None and config.spec is not None
