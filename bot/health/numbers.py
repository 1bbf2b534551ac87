"""The numbers of this process for Prometheus; none of them carries a name, a text or an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.domain.health_ports import LineNumbers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TURN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ENGINE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Numbers:
    """Counters of what this process did, and gauges of the line as the database has it."""

    def __init__(self) -> None:
        """Start at zero, in a registry of its own."""
        self._registry = CollectorRegistry()
        registry = self._registry
        self.accepted = Counter(
            "xiaoer_messages_accepted",
            "Messages taken in.",
            ["channel"],
            registry=registry,
        )
        self.repeats = Counter(
            "xiaoer_messages_repeated",
            "Messages that had been taken in before.",
            ["channel"],
            registry=registry,
        )
        self.turns = Counter(
            "xiaoer_turns",
            "Turns run.",
            ["outcome"],
            registry=registry,
        )
        self.turn_seconds = Histogram(
            "xiaoer_turn_seconds",
            "Time of a turn.",
            buckets=_TURN_S,
            registry=registry,
        )
        self.deliveries = Counter(
            "xiaoer_deliveries",
            "Attempts to deliver, by what the channel said.",
            ["channel", "outcome"],
            registry=registry,
        )
        self.refusals = Counter(
            "xiaoer_refusals",
            "Messages a channel will never take.",
            ["channel", "kind"],
            registry=registry,
        )
        self.engine_seconds = Histogram(
            "xiaoer_engine_seconds",
            "Time to understand.",
            buckets=_ENGINE_S,
            registry=registry,
        )
        self._gauges = {
            "inbox_waiting": _gauge("inbox_waiting", "Messages taken in and not yet handled.", registry),
            "inbox_age_s": _gauge("inbox_age_seconds", "Age of the oldest of them.", registry),
            "outbox_waiting": _gauge("outbox_waiting", "Messages to be delivered.", registry),
            "outbox_age_s": _gauge("outbox_age_seconds", "How long the oldest of them is overdue.", registry),
            "dead_letters": _gauge("dead_letters", "Messages that were given up or are unclear.", registry),
            "queue_waiting": _gauge("queue_waiting", "Conversations waiting for an agent.", registry),
            "queue_age_s": _gauge("queue_age_seconds", "How long the first of them has waited.", registry),
            "tickets_overdue": _gauge("tickets_overdue", "Open tickets past their promised time.", registry),
            "handoffs_overdue": _gauge("handoffs_overdue", "Conversations waiting longer than promised.", registry),
            "sla_due": _gauge("sla_due", "Tickets and hand-offs past their promised time.", registry),
        }

    def follow(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Tell at every request what ``read`` has counted since the start, one number a value of ``label``."""
        self._registry.register(_Followed(name, meaning, label, read))

    def note(self, line: LineNumbers) -> None:
        """Set the gauges."""
        for name, gauge in self._gauges.items():
            gauge.set(getattr(line, name))

    def text(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Followed(Collector):
    """Counts that somebody else keeps."""

    def __init__(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._about = (f"xiaoer_{name}", meaning)
        self._label = label
        self._read = read

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(*self._about, labels=[self._label])
        for value, count in self._read().items():
            family.add_metric([value], count)
        yield family


def _gauge(name: str, meaning: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(
        f"xiaoer_{name}",
        meaning,
        registry=registry,
    )
