"""Plots: each target against the user count, what was measured, what models say, where their data end."""

import io
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from kpp.evaluation.pictures import ServicePicture
from kpp.predictor.display import UNITS, Unit
from kpp.schema import TARGETS, USER_COUNT
from kpp.whatif.calibrated import lower_of, upper_of

Floats = NDArray[np.float64]

FORMATS = (".png", ".svg", ".pdf")
LEARNED, ASKED, BEST, TRAINED, INK = "#9aa5b1", "#12355b", "#e07b00", "#eef2f6", "#333f4a"
# colors that people with impaired color vision can tell apart (M. Okabe and K. Ito, 2008), orange left out
OTHERS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#7a5230", "#9c9500", "#555555")
LineStyle: TypeAlias = Literal["-"] | tuple[float, tuple[float, ...]]
STYLES: Sequence[LineStyle] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 1.5)))
MOST_ABOVE = 1.8  # the axis ends so many times above what was measured, whatever models say
BAND = 0.17  # opacity of the interval
QUANTILE = 0.995  # of the measured values that the axis has to show


def draw(pictures: Sequence[ServicePicture], title: str, coverage: float, suffix: str = ".png") -> bytes:
    """Draw a row of three panels, one per target, for each service.

    Args:
        pictures: at least one; all with the same models.
        title: above all.
        coverage: of the intervals, for the legend.
        suffix: one of `FORMATS`.
    """
    figure = Figure(figsize=(15, 1.5 + (3.9 if len(pictures) == 1 else 2.5 * len(pictures))), dpi=110)
    figure.set_layout_engine("constrained", h_pad=0.09, w_pad=0.1, hspace=0.04)
    panels = figure.subplots(len(pictures), len(TARGETS), squeeze=False)
    for row, picture in zip(panels, pictures, strict=True):
        for panel, target in zip(row, TARGETS, strict=True):
            _draw_panel(panel, picture, target)
        row[0].set_title(picture.service, loc="left", fontsize=13, fontweight="bold", color=INK)
    for panel, unit in zip(panels[0], UNITS.values(), strict=True):
        panel.set_title(f"{unit.title}, {unit.name}", loc="right", fontsize=11, color=INK)
    for panel in panels[-1]:
        panel.set_xlabel("users", color=INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, color=INK)
    _add_legend(figure, pictures[0], coverage)
    content = io.BytesIO()
    figure.savefig(content, format=suffix.removeprefix("."))
    return content.getvalue()


def _draw_panel(panel: Axes, picture: ServicePicture, target: str) -> None:
    unit = UNITS[target]
    least, most = picture.learned_range
    panel.axvspan(least, most, color=TRAINED, zorder=0, linewidth=0)
    panel.axvline(most, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    factor = unit.per_own_unit
    for rows, color, size, layer in ((picture.learned, LEARNED, 7, 2), (picture.asked, ASKED, 10, 3)):
        users, values = rows[USER_COUNT], rows[target] * factor
        panel.scatter(users, values, s=size, c=color, alpha=0.4, linewidths=0, zorder=layer)
    medians = picture.asked.groupby(USER_COUNT)[target].median() * factor
    panel.scatter(medians.index, medians, s=26, c="white", edgecolors=ASKED, linewidths=1.5, zorder=6)
    for name, color, style in _others(picture):
        line = picture.lines[name]
        values = line[target] * factor
        panel.plot(line[USER_COUNT], values, color=color, linestyle=style, linewidth=1.5, zorder=4)
    best = picture.lines[picture.best].dropna(subset=target)
    users, lower, upper = best[USER_COUNT], best[lower_of(target)] * factor, best[upper_of(target)] * factor
    if lower.notna().any():
        panel.fill_between(users, lower, upper, color=BEST, alpha=BAND, linewidth=0, zorder=1)
    panel.plot(users, best[target] * factor, color=BEST, linewidth=2.6, zorder=5)
    if len(best) == 1:
        panel.vlines(users, lower, upper, color=BEST, alpha=2 * BAND, linewidth=5, zorder=1)
        panel.plot(users, best[target] * factor, marker="o", color=BEST, zorder=5)
    _finish(panel, picture, target, unit)


def _others(picture: ServicePicture) -> Iterator[tuple[str, str, LineStyle]]:
    """The models beside the best one, each with a color and a style of line."""
    names = [name for name in picture.lines if name != picture.best]
    for number, name in enumerate(names):
        yield name, OTHERS[number % len(OTHERS)], STYLES[number % len(STYLES)]


def _finish(panel: Axes, picture: ServicePicture, target: str, unit: Unit) -> None:
    """Axes: from 0 to what was measured and what the best model expects, within reason."""
    measured = pd.concat([picture.learned[target], picture.asked[target]]).dropna()
    best = picture.lines[picture.best]
    usual = float(measured.quantile(QUANTILE)) if len(measured) else np.nan
    line, upper = float(best[target].max()), float(best[upper_of(target)].max())
    if len(picture.asked):  # what was measured matters more than a line that left it behind
        line = float(np.fmin(line, MOST_ABOVE * usual))
    highest = float(np.fmax(usual, line))
    highest = float(np.fmax(highest, np.fmin(upper, MOST_ABOVE * highest)))
    if np.isfinite(highest) and highest > 0:
        panel.set_ylim(0, 1.08 * highest * unit.per_own_unit)
    above = int((measured > 1.08 * highest).sum()) if len(measured) else 0
    if above:
        panel.text(
            0.99,
            0.97,
            f"{above} measured above the axis",
            transform=panel.transAxes,
            ha="right",
            va="top",
            fontsize=8.5,
            color=INK,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
        )
    if measured.empty and best[target].isna().all():
        panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center", color=INK)
    panel.margins(x=0.02)
    panel.grid(axis="y", color="#d5dbe1", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=INK, labelsize=9.5)


def _add_legend(figure: Figure, picture: ServicePicture, coverage: float) -> None:
    least, most = picture.learned_range
    handles: list[Line2D | Patch] = [
        _dot(LEARNED, "measured, learned"),
        *([_dot(ASKED, "measured, held out (ringed: median)")] if len(picture.asked) else []),
        Patch(color=TRAINED, label=f"loads that were learned, {least:g} to {most:g} users"),
        Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="edge of the training data"),
        Line2D([], [], color=BEST, linewidth=2.6, label=picture.best),
        Patch(color=BEST, alpha=BAND, linewidth=0, label=f"its {100 * coverage:g} % interval"),
    ]
    for name, color, style in _others(picture):
        handles.append(Line2D([], [], color=color, linestyle=style, linewidth=1.5, label=name))
    figure.legend(
        handles=handles, loc="outside lower left", ncols=6, frameon=False, fontsize=10.5, labelcolor=INK
    )


def _dot(color: str, label: str) -> Line2D:
    return Line2D([], [], color=color, marker="o", markersize=5, linestyle="", label=label)
