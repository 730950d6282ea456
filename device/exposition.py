"""Counters and gauges and their text for Prometheus (exposition format 0.0.4); the agent needs no library for it."""

from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Child:
    """One value of a metric."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1.0) -> None:
        """Count."""
        self.value += by

    def set(self, value: float) -> None:
        """Take another value; of a gauge only."""
        self.value = float(value)


class Metric(Child):
    """A metric, with a child for each set of label values; one without labels is its own only child."""

    __slots__ = ("_children", "_labels", "kind", "name", "text")

    def __init__(self, kind: str, name: str, text: str, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.kind = kind
        self.name = name
        self.text = text
        self._labels = labels
        self._children: dict[tuple[str, ...], Child] = {} if labels else {(): self}

    def labels(self, *values: str) -> Child:
        """The child of these label values, in the order of the names."""
        key = tuple(map(str, values))
        child = self._children.get(key)
        if child is None:
            if len(key) != len(self._labels):
                raise ValueError(f"{self.name} has the labels {', '.join(self._labels)}, not {len(key)} of them")
            child = self._children[key] = Child()
        return child

    def lines(self) -> list[str]:
        """Its lines of the text."""
        lines = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} {self.kind}"]
        for values, child in self._children.items():
            pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(self._labels, values, strict=True)]
            lines.append(f"{self.name}{'{' + ','.join(pairs) + '}' if pairs else ''} {child.value}")
        return lines


class Registry:
    """The metrics of one agent."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []

    def counter(self, name: str, text: str, *labels: str) -> Metric:
        """A new counter, named without its `_total`."""
        return self._add(Metric("counter", f"{name}_total", text, labels))

    def gauge(self, name: str, text: str, *labels: str) -> Metric:
        """A new gauge."""
        return self._add(Metric("gauge", name, text, labels))

    def page(self) -> bytes:
        """All of them as text."""
        return "".join(f"{line}\n" for metric in self._metrics for line in metric.lines()).encode()

    def _add(self, metric: Metric) -> Metric:
        self._metrics.append(metric)
        return metric
