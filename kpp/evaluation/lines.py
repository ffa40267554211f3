"""The lines of a panel: every model's, one for each layout, and the intervals that are shown."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes

from kpp.evaluation.pictures import BRANCH, ServicePicture
from kpp.predictor.display import UNITS
from kpp.schema import USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.registry import DEFAULT_MODEL, MODELS

# colors that people with impaired color vision can tell apart (M. Okabe and K. Ito, 2008): the vermilion for
# what matters most, the others for the rest
BEST = "#d55e00"
OTHERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#7a5230", "#b59f00", "#3b3b3b")
LineStyle: TypeAlias = Literal["-"] | tuple[float, tuple[float, ...]]
STYLES: Sequence[LineStyle] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)))
BAND = 0.2  # opacity of the interval
MOST_RINGS = 15  # marks of single loads; more would hide what they are to show
SAME = 0.02  # relative: so near, two lines are one


def draw_lines(panel: Axes, picture: ServicePicture, target: str) -> None:
    """Draw all models' lines, those whose intervals are shown on top."""
    for name, color, style in line_styles(picture):
        lines = _branches_of(picture.lines[name].dropna(subset=target), target)
        for line in lines:
            _draw_line(panel, picture, line, target, name, color, style)
        if name == picture.shown[0] and len(lines) > 1:
            _number_branches(panel, picture, lines, target, color)


def line_styles(picture: ServicePicture) -> Iterator[tuple[str, str, LineStyle]]:
    """Each line's name, color and style: those whose interval is shown last, so that they lie on top."""
    others = [name for name in picture.lines if name not in picture.shown]
    known = [name for name in MODELS if name != DEFAULT_MODEL]  # so that a model looks the same in each plot
    for place, name in enumerate(others):
        number = known.index(name) if name in known else place
        yield name, OTHERS[number % len(OTHERS)], STYLES[number % len(STYLES)]
    colors = (BEST, *OTHERS)
    for number, name in reversed(list(enumerate(picture.shown))):
        if name in picture.lines:
            yield name, colors[number % len(colors)], "-"


def _branches_of(line: pd.DataFrame, target: str) -> list[pd.DataFrame]:
    """The parts that are not joined, the longest first; of parts that lie on one another one is enough."""
    if BRANCH not in line:
        return [line]
    apart: list[pd.DataFrame] = []
    for _, own in sorted(line.groupby(BRANCH), key=lambda each: -np.ptp(each[1][USER_COUNT])):
        if not any(_lies_on(own, other, target) for other in apart):
            apart.append(own)
    return apart


def _lies_on(line: pd.DataFrame, other: pd.DataFrame, target: str) -> bool:
    """Whether a line hides behind a longer one."""
    users, values = line[USER_COUNT].to_numpy(dtype=np.float64), line[target].to_numpy(dtype=np.float64)
    if users[0] < other[USER_COUNT].min() or users[-1] > other[USER_COUNT].max():
        return False
    expected = np.interp(users, other[USER_COUNT], other[target])
    return bool(np.allclose(values, expected, rtol=SAME, atol=SAME * float(np.max(expected))))


def _number_branches(
    panel: Axes, picture: ServicePicture, lines: Sequence[pd.DataFrame], target: str, color: str
) -> None:
    """The number of each branch at the end of its line; what they are stands under the title."""
    order = list(picture.branches)
    for line in lines:
        branch = int(line[BRANCH].iloc[0])
        if branch not in order:
            continue
        end = (float(line[USER_COUNT].iloc[-1]), float(line[target].iloc[-1]) * UNITS[target].per_own_unit)
        mark = panel.annotate(
            str(order.index(branch) + 1),
            end,
            (4, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=True,
        )
        mark.set(color=color, fontsize=8, fontweight="bold", zorder=9, clip_on=False)
        mark.set_path_effects([patheffects.withStroke(linewidth=2.2, foreground="white")])


def _draw_line(
    panel: Axes,
    picture: ServicePicture,
    line: pd.DataFrame,
    target: str,
    name: str,
    color: str,
    style: LineStyle,
) -> None:
    """A model's line, and its interval if that is shown."""
    factor = UNITS[target].per_own_unit
    users, values = line[USER_COUNT], line[target] * factor
    shown = name in picture.shown
    if shown:
        _draw_interval(panel, line, target, factor, color, BAND / (2 if len(picture.branches) > 1 else 1))
    (drawn,) = panel.plot(users, values, color=color, linestyle=style, linewidth=2.4 if shown else 1.3)
    drawn.set_zorder(5 if shown else 4)
    if shown:
        drawn.set_path_effects([patheffects.Stroke(linewidth=4, foreground="white"), patheffects.Normal()])
    if not len(picture.asked) and len(line) <= MOST_RINGS:  # the very loads that were asked for
        panel.scatter(users, values, s=16, c=color, zorder=6)


def _draw_interval(
    panel: Axes, line: pd.DataFrame, target: str, factor: float, color: str, opacity: float
) -> None:
    users, lower, upper = line[USER_COUNT], line[lower_of(target)] * factor, line[upper_of(target)] * factor
    if len(line) == 1:
        panel.vlines(users, lower, upper, color=color, alpha=2 * opacity, linewidth=5, zorder=1.5)
    elif lower.notna().any():
        panel.fill_between(users, lower, upper, color=color, alpha=opacity, linewidth=0, zorder=1.5)
