"""What was measured of each service, and how far a scenario lies from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.schema import CPU_LIMIT, CPU_REQUEST, REPLICAS, SERVICE, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.model import THINK_TIME

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

SCALE = (REPLICAS, CPU_REQUEST, CPU_LIMIT)  # how a service is laid out; each may be unknown
DISTANT = (USER_COUNT, REPLICAS, CPU_LIMIT)  # what takes a scenario away; a request only steers scheduling
SAME = 1e-9  # relative; so near, two limits are one
CHANCE = 0.1  # relative: by so much a throughput may differ from those that were measured
TIMES = 1.95  # from here on a ratio is told as times, below in percent


@dataclass(frozen=True)
class Measured:
    """The measured loads of all services. Scenarios have the index 0, 1, … and all `SCENARIO_COLUMNS`.

    Attributes:
        levels: as of `kpp.whatif.campaign.levels_of`.
    """

    levels: pd.DataFrame

    def fill(self, scenario: pd.DataFrame) -> pd.DataFrame:
        """Fill in the replicas, requests and limits left open: those at the nearest measured user count."""
        columns = {column: scenario[column].to_numpy(dtype=np.float64, copy=True) for column in SCALE}
        for rows, levels in self._by_service(scenario):
            nearest = _apart(scenario, rows, levels, USER_COUNT).argmin(axis=1)
            for column, values in columns.items():
                known = levels[column].to_numpy()[nearest]
                values[rows] = np.where(np.isnan(values[rows]), known, values[rows])
        return scenario.assign(**columns)

    def distance(self, scenario: pd.DataFrame) -> Floats:
        """How far each row lies from the nearest measured load of its service.

        The sum over user count, replicas and limit of |ln(asked / measured)|; one that is not known on either
        side counts as equal. 0.69 is twice the load, or half of it.

        Returns:
            (rows,); infinite for a service that was not measured.
        """
        distances = np.full(len(scenario), np.inf)
        for rows, levels in self._by_service(scenario):
            apart = [np.nan_to_num(_apart(scenario, rows, levels, column)) for column in DISTANT]
            distances[rows] = np.sum(apart, axis=0).min(axis=1)
        return distances

    def highest(self, scenario: pd.DataFrame) -> Floats:
        """The most that was measured of each row's service; per replica where fewer are asked for.

        Returns:
            (rows, 3), own units; NaN where nothing was measured.
        """
        return self.most_of(scenario, self.levels[list(TARGETS)].to_numpy(dtype=np.float64))

    def most_of(self, scenario: pd.DataFrame, values: Floats) -> Floats:
        """The most of some values of the levels, as of `highest`.

        Args:
            scenario: that is asked.
            values: (levels, columns).

        Returns:
            (rows, columns)
        """
        found = np.full((len(scenario), values.shape[1]), np.nan)
        replicas = scenario[REPLICAS].to_numpy(dtype=np.float64)
        for rows, levels in self._by_service(scenario):
            own = values[levels.index]
            most = np.argmax(np.nan_to_num(own, nan=-np.inf), axis=0)
            ratios = replicas[rows][:, None] / levels[REPLICAS].to_numpy(dtype=np.float64)[most]
            found[rows] = own[most, range(values.shape[1])] * np.fmin(ratios, 1.0)
        return found

    def is_above(self, scenario: pd.DataFrame) -> NDArray[np.bool_]:
        """(rows,) whether more users are asked for than were measured of the row's service."""
        most = self.levels.groupby(SERVICE)[USER_COUNT].max()
        highest = scenario[SERVICE].astype(str).map(most).to_numpy(dtype=np.float64)
        above: NDArray[np.bool_] = scenario[USER_COUNT].to_numpy(dtype=np.float64) > highest
        return above

    def paused_apart(self, scenario: pd.DataFrame, throughputs: Floats) -> tuple[list[str], Floats]:
        """How far the load of rows with a think time of their own lies from the measured ones.

        Another pause is another load at the same user count, and what it makes of a load is its throughput.

        Args:
            scenario: that is asked.
            throughputs: (rows,) predicted.

        Returns:
            What was not measured, in words, empty for what was; and |ln(predicted / measured)|, (rows,) both.
        """
        texts, apart = [""] * len(scenario), np.zeros(len(scenario))
        pauses = scenario[THINK_TIME].to_numpy(dtype=np.float64)
        if not np.isfinite(pauses).any():
            return texts, apart
        for rows, levels in self._by_service(scenario):
            least, most = (float(levels[THROUGHPUT].agg(end)) for end in ("min", "max"))
            for row in rows[np.isfinite(pauses[rows]) & np.isfinite(throughputs[rows])]:
                asked = float(throughputs[row])
                if 0 < asked < (1 - CHANCE) * least or asked > (1 + CHANCE) * most > 0:
                    far = _how_far(asked, least, most)
                    texts[row] = f"a pause of {pauses[row]:g} s, which makes a throughput of {far} measured"
                    apart[row] = abs(np.log(asked / (most if asked > most else least)))
        return texts, apart

    def outside(self, scenario: pd.DataFrame) -> list[str]:
        """What of each row was not measured, in words; empty for a row within the measured range.

        A row is within if its user count lies between two measured ones, and its replicas and limit lie
        between those that were measured at these two.
        """
        found = np.full(len(scenario), "never measured", dtype=object)
        for rows, levels in self._by_service(scenario):
            found[rows] = _describe(scenario.iloc[rows], levels)
        return list(found)

    def _by_service(self, scenario: pd.DataFrame) -> Iterator[tuple[Indices, pd.DataFrame]]:
        """Positions of the scenario's rows, and the levels, of each service that was measured."""
        measured = {str(service): levels for service, levels in self.levels.groupby(SERVICE)}
        for service, rows in scenario.groupby(SERVICE).indices.items():
            if str(service) in measured:
                yield np.asarray(rows, dtype=np.intp), measured[str(service)]


def _apart(scenario: pd.DataFrame, rows: Indices, levels: pd.DataFrame, column: str) -> Floats:
    """|ln(asked / measured)| as (rows, levels); NaN where one is not known."""
    asked = np.log(scenario[column].to_numpy(dtype=np.float64)[rows])
    measured = np.log(levels[column].to_numpy(dtype=np.float64))
    apart: Floats = np.abs(asked[:, None] - measured[None, :])
    return apart


def _describe(asked: pd.DataFrame, levels: pd.DataFrame) -> list[str]:
    """What of each row of a service lies outside its measured range."""
    user_counts = asked[USER_COUNT].to_numpy()
    levels = levels.sort_values(USER_COUNT)
    steps, starts = np.unique(levels[USER_COUNT].to_numpy(), return_index=True)
    below = np.clip(np.searchsorted(steps, user_counts, side="right") - 1, 0, None)
    above = np.clip(np.searchsorted(steps, user_counts, side="left"), None, len(steps) - 1)
    texts: list[list[str]] = [[] for _ in user_counts]
    for row in np.flatnonzero((user_counts < steps[0]) | (user_counts > steps[-1])):
        far = _how_far(user_counts[row], steps[0], steps[-1])
        texts[row].append(f"{user_counts[row]:g} users, measured {_range(steps[0], steps[-1])} ({far})")
    for column, phrase in ((REPLICAS, "{:g} replica{}"), (CPU_LIMIT, "a CPU limit of {:g} cores")):
        measured_values = levels[column].to_numpy(dtype=np.float64)
        lowest, highest = (reduce.reduceat(measured_values, starts) for reduce in (np.fmin, np.fmax))
        least, most = np.fmin(lowest[below], lowest[above]), np.fmax(highest[below], highest[above])
        values = asked[column].to_numpy()
        for row in np.flatnonzero((values < least * (1 - SAME)) | (values > most * (1 + SAME))):
            measured = f"measured {_range(least[row], most[row])} at the nearest loads"
            far = _how_far(values[row], least[row], most[row])
            asked_for = phrase.format(values[row], "" if values[row] == 1 else "s")
            texts[row].append(f"{asked_for}, {measured} ({far})")
    return [" and ".join(parts) for parts in texts]


def _range(least: float, most: float) -> str:
    """Both ends, or the one value.

    >>> _range(60, 109), _range(2, 2)
    ('60 to 109', '2')
    """
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _how_far(asked: float, least: float, most: float) -> str:
    """How far a value lies outside of a range.

    >>> _how_far(400, 20, 110), _how_far(10, 60, 109), _how_far(120, 20, 110), _how_far(3, 1, 1)
    ('3.6 times the highest', '1/6 of the lowest', '9 % above the highest', '3 times that')
    """
    above = asked > most
    ratio = asked / most if above else least / asked
    end = "that" if least == most else "the highest" if above else "the lowest"
    if ratio >= TIMES:
        return f"{two_digits(ratio)} times {end}" if above else f"1/{two_digits(ratio)} of {end}"
    share = abs(asked / (most if above else least) - 1)
    return f"{max(100 * share, 1):.0f} % {'above' if above else 'below'} {end}"


def two_digits(ratio: float) -> str:
    """Two digits, and no exponent.

    >>> two_digits(3.636), two_digits(18.18), two_digits(1234.5)
    ('3.6', '18', '1234')
    """
    return f"{ratio:.2g}" if ratio < 99.5 else f"{ratio:.0f}"
