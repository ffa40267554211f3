"""Scrapes of all targets into the embedded Prometheus, each in its own turn."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kpp.simulator.metrics.series import Block, Labels, Layout
from kpp.simulator.metrics.targets import Target
from kpp.simulator.promql import NO_OWN_TIMESTAMP, SampleStore, ScrapedTarget


@dataclass
class _Scraped:
    """A target that has been seen, and the numbers of the series that it has shown."""

    target: ScrapedTarget
    numbers: dict[tuple[Layout, Labels], NDArray[np.intp]] = field(default_factory=dict)

    def take(self, at: float, blocks: list[Block]) -> None:
        own_ms = [NO_OWN_TIMESTAMP if each.timestamp_ms is None else each.timestamp_ms for each in blocks]
        sizes = [len(each.values) for each in blocks]
        self.target.scrape(
            at,
            np.concatenate([self._numbers_of(each) for each in blocks]),
            np.concatenate([each.values for each in blocks]),
            np.repeat(own_ms, sizes),
        )

    def _numbers_of(self, block: Block) -> NDArray[np.intp]:
        known = self.numbers.get(block.key)
        if known is None:
            known = np.array([self.target.series_number(each) for each in block.label_sets()], dtype=np.intp)
            self.numbers[block.key] = known
        return known


class Scraper:
    """What Prometheus's scrape loops do.

    Args:
        store: where the samples go.
        rounds_per_scrape: each target is scraped once in so many rounds, not all in the same one.
    """

    def __init__(self, store: SampleStore, rounds_per_scrape: int) -> None:
        self._store = store
        self._rounds_per_scrape = rounds_per_scrape
        self._round = 0
        self._scraped: dict[Labels, _Scraped] = {}

    def scrape(self, at: float, targets: Iterable[Target]) -> None:
        """Do one round: scrape the targets whose turn it is; end the series of those that are gone.

        Args:
            at: Unix seconds.
            targets: all that there are.
        """
        present = {target.labels: target for target in targets}
        for gone in self._scraped.keys() - present.keys():
            self._scraped.pop(gone).target.vanish(at)
        for labels, target in present.items():
            if self._is_due(labels):
                self._find(target).take(at, target.expose())
        self._round += 1

    def fail(self) -> None:
        """Let one round pass without a scrape, as when Prometheus is down; targets are forgotten."""
        self._scraped.clear()
        self._round += 1

    def _is_due(self, labels: Labels) -> bool:
        """Prometheus shifts its scrapes by a hash of the target, too."""
        turn = zlib.crc32(repr(labels).encode()) % self._rounds_per_scrape
        return self._round % self._rounds_per_scrape == turn

    def _find(self, target: Target) -> _Scraped:
        if target.labels not in self._scraped:
            scraped = ScrapedTarget(self._store, dict(target.labels), honor_labels=target.honor_labels)
            self._scraped[target.labels] = _Scraped(scraped)
        return self._scraped[target.labels]
