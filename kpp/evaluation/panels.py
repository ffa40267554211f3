"""One panel of a plot: a target of a service against the user count."""

from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from kpp.evaluation.lines import MOST_RINGS, LineStyle, draw_lines
from kpp.evaluation.pictures import ServicePicture
from kpp.predictor.display import UNITS
from kpp.schema import USER_COUNT
from kpp.whatif.calibrated import upper_of
from kpp.whatif.model import EXTRAPOLATING, IN_RANGE, UNSUPPORTED

Floats = NDArray[np.float64]

LEARNED, ASKED, INK, FAINT = "#98a4b0", "#12355b", "#27323d", "#66727f"
TRAINED = "#eaeff4"
VERDICT_COLORS = {IN_RANGE: "#e6f1ea", EXTRAPOLATING: "#fdf6e0", UNSUPPORTED: "#fae6e3"}
EDGE: LineStyle = (0, (4, 3))

TICKS = ((2.2, (1.0, 2.0, 5.0)), (3.5, (1.0, 3.0)))  # in a decade, on an axis of at most so many decades
QUANTILE = 0.995  # of the measured values that the axis has to show
MOST_ABOVE = 1.8  # the axis ends so many times above what was measured, whatever models say
HEADROOM = 1.08
LOGARITHMIC_FROM = 20.0  # ratio of the high to the low values
USERS_LOGARITHMIC_FROM = 25.0  # the same of user counts
LOW, MOSTLY = 0.02, 0.98  # the quantile that counts as low; the share of values that a logarithm has to have


def draw_panel(panel: Axes, picture: ServicePicture, target: str) -> None:
    """Draw what was measured, all lines and the intervals that are shown."""
    factor = UNITS[target].per_own_unit
    logarithmic = _set_limits(panel, picture, target)
    _shade(panel, picture)
    for rows, color, size, opacity in (
        (picture.learned, LEARNED, 5 if len(picture.asked) else 18, 0.35 if len(picture.asked) else 1.0),
        (picture.asked, ASKED, 7, 0.3),
    ):
        users, values = rows[USER_COUNT], rows[target] * factor
        panel.scatter(users, values, s=size, c=color, alpha=opacity, linewidths=0, zorder=2)
    draw_lines(panel, picture, target)
    if are_ringed(picture):
        medians = picture.asked.groupby(USER_COUNT)[target].median().dropna() * factor
        panel.scatter(medians.index, medians, s=24, c="white", edgecolors=ASKED, linewidths=1.3, zorder=7)
    frames = [picture.learned, picture.asked, *(picture.lines[name] for name in picture.shown)]
    if not any(frame[target].notna().any() for frame in frames):
        panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center", color=FAINT)
    _finish(panel, logarithmic=logarithmic)


def are_ringed(picture: ServicePicture) -> bool:
    """Whether the medians of the loads that were held out are marked: few enough, and some."""
    return 0 < picture.asked[USER_COUNT].nunique() <= MOST_RINGS


def _shade(panel: Axes, picture: ServicePicture) -> None:
    """The loads that were learned, or the verdicts where there are some; and the edge of the data."""
    least, most = picture.learned_range
    if picture.verdicts:
        loads = sorted(picture.verdicts)
        middles = [(low + high) / 2 for low, high in pairwise(loads)]
        left, right = panel.get_xlim()
        if most < loads[0]:  # between the data and what was asked for; the data themselves have no verdict
            left = most
        if least > loads[-1]:
            right = least
        edges = [left, *(min(max(middle, left), right) for middle in middles), right]
        for load, (start, end) in zip(loads, pairwise(edges), strict=True):
            color = VERDICT_COLORS[picture.verdicts[load]]
            panel.axvspan(start, end, color=color, zorder=0, linewidth=0)
    elif np.isfinite(least):
        panel.axvspan(least, most, color=TRAINED, zorder=0, linewidth=0)
    if np.isfinite(most):
        panel.axvline(most, color=INK, linewidth=0.9, linestyle=EDGE, zorder=1.6)


def _set_limits(panel: Axes, picture: ServicePicture, target: str) -> bool:
    """Both axes: all loads; what was measured and what the best line expects, within reason.

    Returns:
        Whether the values are on a logarithmic axis.
    """
    _set_users(panel, picture)
    measured = pd.concat([picture.learned[target], picture.asked[target]]).dropna()
    best = pd.concat([picture.lines[name] for name in picture.shown if name in picture.lines])
    usual = float(measured.quantile(QUANTILE)) if len(measured) else np.nan
    line, upper = float(best[target].max()), float(best[upper_of(target)].max())
    if len(picture.asked):  # what was measured matters more than a line that left it behind
        line = float(np.fmin(line, MOST_ABOVE * usual))
    high = highest = float(np.fmax(usual, line))
    highest = float(np.fmax(highest, np.fmin(upper, MOST_ABOVE * highest)))
    if not np.isfinite(highest) or highest <= 0:
        return False
    factor = UNITS[target].per_own_unit
    values = pd.concat([measured, best[target].dropna()])
    positive = values[values > 0]
    low = float(positive.quantile(LOW))
    logarithmic = len(positive) >= MOSTLY * len(values) and high > LOGARITHMIC_FROM * low
    if logarithmic:
        panel.set_yscale("log")
        panel.set_ylim(low * factor / 1.6, 1.25 * highest * factor)
    else:
        panel.set_ylim(0, HEADROOM * highest * factor)
    above = int((measured * factor > panel.get_ylim()[1]).sum())
    if above:
        text = f"{above} point{'s' * (above > 1)} above the axis"
        note = panel.text(0.985, 0.97, text, transform=panel.transAxes, ha="right", va="top", fontsize=7.5)
        note.set(color=FAINT, zorder=8)
        note.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5})
    return logarithmic


def _set_users(panel: Axes, picture: ServicePicture) -> None:
    frames = [picture.learned, picture.asked, *picture.lines.values()]
    users = pd.concat([frame[USER_COUNT] for frame in frames]).to_numpy(dtype=np.float64)
    least, most = float(users.min()), float(users.max())
    if most > USERS_LOGARITHMIC_FROM * least > 0:
        panel.set_xscale("log")
        panel.set_xlim(least / 1.08, most * 1.08)
    else:
        margin = 0.03 * (most - least) or 0.1 * most
        panel.set_xlim(least - margin, most + margin)


def _finish(panel: Axes, *, logarithmic: bool) -> None:
    if panel.get_xscale() == "log":
        _plain_log_ticks(panel, "x")
    else:
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    if logarithmic:
        _plain_log_ticks(panel, "y")
    else:
        panel.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        panel.yaxis.set_major_formatter(FuncFormatter(_write_out))
    panel.grid(axis="y", color="#d5dbe1", linewidth=0.6, zorder=0.5)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(FAINT)
    panel.tick_params(colors=FAINT, labelcolor=INK, labelsize=9, length=3)


def _write_out(value: float, _: int | None = None) -> str:
    """A tick's label. What is longer would be cut off at the left edge of the picture.

    >>> _write_out(0.25), _write_out(3000), _write_out(10000), _write_out(2.5e6)
    ('0.25', '3,000', '10k', '2,500k')
    """
    return f"{value / 1000:,.10g}k" if abs(value) >= 10_000 else f"{value:,.10g}"


def _plain_log_ticks(panel: Axes, which: Literal["x", "y"]) -> None:
    """1, 2, 5, 10, …, or fewer for each decade where there are many; written out."""
    low, high = panel.get_xlim() if which == "x" else panel.get_ylim()
    axis = panel.xaxis if which == "x" else panel.yaxis
    decades = np.log10(high / low)
    subs = next((subs for most, subs in TICKS if decades <= most), (1.0,))
    axis.set_major_locator(LogLocator(subs=subs, numticks=10))
    axis.set_major_formatter(FuncFormatter(_write_out))
    axis.set_minor_formatter(NullFormatter())
