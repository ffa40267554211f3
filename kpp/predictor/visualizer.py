"""Plots: what was observed and what the model predicts on the test rows, one picture per service.

Loads neither torch nor pandas, so that a process that only draws starts quickly.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from kpp.files import write_whole
from kpp.predictor.display import UNITS, Unit, format_number, scaled
from kpp.predictor.model_config import Comparison
from kpp.schema import STEP_SECONDS, TARGETS

if TYPE_CHECKING:
    from kpp.predictor.preparation.windows import ServiceDataset
    from kpp.predictor.trained_model import TrainedModel

Floats = NDArray[np.float64]

OBSERVED, PREDICTED, LOAD = "#1f4e79", "#e07b00", "#e4e4e4"
MAX_LABELS = 26  # of user counts: more run into each other
OUTLIER_SHARE = 0.03  # so many of the largest values may be cut
OUTLIER_SPANS = 2.0  # and only where the largest lies so many spans of the others above them
LOGARITHMIC_FROM = 20.0  # ratio of the high to the low usual values
MARGINS = {"left": 0.075, "right": 0.945, "bottom": 0.065, "top": 0.905, "hspace": 0.16}
STRETCH_GAP_SECONDS = 4 * STEP_SECONDS  # a longer gap is one between experiments


@dataclass(frozen=True)
class Timeline:
    """Where the test minutes are drawn: one after the other, with a gap between two stretches of time."""

    places: Floats  # (n,)
    user_counts: Floats  # (n,)
    stretches: tuple[slice, ...]  # each the minutes of one experiment

    @classmethod
    def of(cls, timestamps: NDArray[np.int64], user_counts: Floats) -> "Timeline":
        """Lay out minutes that are given in order."""
        begins = np.flatnonzero((np.diff(timestamps) > STRETCH_GAP_SECONDS) | (np.diff(user_counts) != 0)) + 1
        bounds = [0, *begins.tolist(), len(timestamps)]
        stretches = tuple(slice(start, stop) for start, stop in pairwise(bounds))
        places = np.arange(len(timestamps), dtype=np.float64)
        for stretch in stretches[1:]:
            places[stretch.start :] += 1.0
        return cls(places, user_counts, stretches)

    def broken(self, values: Floats) -> tuple[Floats, Floats]:
        """Places and values of a line that breaks between stretches."""
        starts = [stretch.start for stretch in self.stretches[1:]]
        return np.insert(self.places, starts, np.nan), np.insert(values, starts, np.nan)


@dataclass(frozen=True)
class PlotData:
    """All that a picture shows: the test rows of a service in order of time, own units, and the scores."""

    service: str
    timestamps: NDArray[np.int64]  # (n,)
    user_counts: Floats  # (n,)
    observed: Floats  # (n, targets)
    predicted: Floats  # (n, targets)
    scores: Mapping[str, Comparison]

    @classmethod
    def of(
        cls, model: "TrainedModel", dataset: "ServiceDataset", scores: Mapping[str, Comparison]
    ) -> "PlotData":
        """Predict the test rows."""
        test = dataset.test
        order = np.lexsort((test.user_counts, test.timestamps))
        return cls(
            service=dataset.service,
            timestamps=test.timestamps[order],
            user_counts=test.user_counts[order],
            observed=test.observed[order],
            predicted=model.predict_scaled(test.inputs)[order],
            scores=scores,
        )


def plot_path(directory: Path, service: str) -> Path:
    """Where a service's picture lies."""
    return directory / f"{service}_predictions.png"


def plot_service(path: Path, data: PlotData) -> None:
    """Write the picture of `draw_service`, whole or not at all.

    Raises:
        ConfigError: the file system refused.
    """
    write_whole({path: draw_png(data)})


def draw_png(data: PlotData) -> bytes:
    """The picture of `draw_service` as a PNG file."""
    picture = io.BytesIO()
    draw_service(data).savefig(picture, format="png")
    return picture.getvalue()


def draw_service(data: PlotData) -> Figure:
    """Draw what was predicted beside what was observed: one panel for each target.

    The test minutes are a few of each experiment, hours apart: they are drawn one after the other, broken
    between experiments, in front of the user count.
    """
    timeline = Timeline.of(data.timestamps, data.user_counts)
    figure = Figure(figsize=(13, 9), dpi=100)
    figure.subplots_adjust(**MARGINS)  # a layout that measures every label takes as long as the drawing
    panels = figure.subplots(len(TARGETS), 1, sharex=True)
    for column, (target, panel) in enumerate(zip(TARGETS, panels, strict=True)):
        unit = UNITS[target]
        _draw_load(panel, timeline)
        _draw_target(panel, timeline, unit, data.observed[:, column], data.predicted[:, column])
        panel.set_title(_describe_scores(unit, data.scores[target]), loc="left", fontsize=12)
    _label_user_counts(panels[-1], timeline)
    figure.align_ylabels(panels)
    _add_heading(figure, panels[0], data.service, data.timestamps)
    return figure


def _draw_target(panel: Axes, timeline: Timeline, unit: Unit, observed: Floats, predicted: Floats) -> None:
    for values, color, label in ((observed, OBSERVED, "observed"), (predicted, PREDICTED, "predicted")):
        places, heights = timeline.broken(values * unit.per_own_unit)
        panel.plot(places, heights, color=color, label=label, linewidth=1.4, marker="o", markersize=2.8)
    panel.set_ylabel(unit.name)
    panel.margins(x=0.01)
    panel.grid(axis="y", color="#b0b0b0", linewidth=0.4)
    values = np.concatenate([observed, predicted])
    limits = find_limits(values)
    if spans_magnitudes(values):
        _take_logarithmic(panel, unit)
    elif limits is not None:
        _cut(panel, timeline, unit, observed, limits)


def spans_magnitudes(values: Floats) -> bool:
    """Whether the usual values differ so much that a linear axis would flatten most of them."""
    known = values[np.isfinite(values)]
    if not len(known) or known.min() <= 0:
        return False
    low, high = np.quantile(known, [OUTLIER_SHARE, 1 - OUTLIER_SHARE])
    return bool(high > LOGARITHMIC_FROM * low)


def _take_logarithmic(panel: Axes, unit: Unit) -> None:
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_ylabel(f"{unit.name}, logarithmic")


def find_limits(values: Floats) -> tuple[float, float] | None:
    """The ends of an axis that leaves out a few outliers, which would flatten all the rest; None: no need.

    Args:
        values: in any order; NaN is left out.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return None
    others = known[: len(known) - int(OUTLIER_SHARE * len(known))]
    span = others[-1] - others[0]
    if known[-1] <= others[-1] + OUTLIER_SPANS * span or span == 0:
        return None
    return float(others[0] - 0.1 * span), float(others[-1] + 0.2 * span)


def _cut(panel: Axes, timeline: Timeline, unit: Unit, observed: Floats, limits: tuple[float, float]) -> None:
    """End the axis at the limits, and mark and name what lies above them."""
    bottom, top = (limit * unit.per_own_unit for limit in limits)
    above = observed * unit.per_own_unit > top
    panel.set_ylim(bottom, top)
    heights = np.full(above.sum(), top - 0.03 * (top - bottom))
    panel.plot(timeline.places[above], heights, "^", color=OBSERVED, markersize=8)
    if above.any():
        largest = format_number(float(observed[above].max()) * unit.per_own_unit)
        note = f"▲ {above.sum()} above the axis, up to {largest} {unit.name}"
        panel.set_title(note, loc="right", color=OBSERVED, fontsize=11)


def _draw_load(panel: Axes, timeline: Timeline) -> None:
    """The user count, shaded, on an axis of its own behind the panel."""
    load = panel.twinx()
    starts, ends = np.array([(stretch.start, stretch.stop - 1) for stretch in timeline.stretches]).T
    left, right = timeline.places[starts] - 0.75, timeline.places[ends] + 0.75
    count = timeline.user_counts[starts]
    none = np.zeros_like(count)
    outline = np.stack([left, left, right, right], axis=1), np.stack([none, count, count, none], axis=1)
    load.fill_between(outline[0].ravel(), outline[1].ravel(), color=LOAD, linewidth=0)
    load.set_ylim(0, 1.05 * max(float(timeline.user_counts.max()), 1.0))
    load.set_ylabel("users", color="#808080")
    load.tick_params(axis="y", colors="#808080")
    panel.set_zorder(load.get_zorder() + 1)
    panel.patch.set_visible(False)


def _label_user_counts(panel: Axes, timeline: Timeline) -> None:
    every = -(-len(timeline.stretches) // MAX_LABELS)
    labeled = timeline.stretches[::every]
    panel.set_xticks(
        [float(timeline.places[stretch].mean()) for stretch in labeled],
        [f"{timeline.user_counts[stretch.start]:g}" for stretch in labeled],
    )
    panel.set_xlabel("user count; above each, its test minutes in order of time")


def _describe_scores(unit: Unit, comparison: Comparison) -> str:
    rmse = format_number(scaled(comparison.model.rmse, unit.per_own_unit))
    rivals = (comparison.model, comparison.last_observed, comparison.training_mean)
    mine, last, mean = (format_number(scaled(rival.mape, 100)) for rival in rivals)
    baselines = f"last value {last} %, user count's mean {mean} %"
    return f"{unit.title}: MAPE {mine} % ({baselines}), RMSE {rmse} {unit.name}"


def _add_heading(figure: Figure, panel: Axes, service: str, timestamps: NDArray[np.int64]) -> None:
    first, last = (f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d %H:%M}" for at in timestamps[[0, -1]])
    figure.suptitle(f"{service}: test minutes, {first} to {last} UTC", fontsize=15, x=0.01, ha="left")
    handles, _ = panel.get_legend_handles_labels()
    figure.legend(
        handles=[*handles[:2], Patch(color=LOAD, label="user count")],
        loc="lower right",  # below the panels: a long name needs all of the heading
        ncols=3,
        frameon=False,
    )
