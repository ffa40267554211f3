"""Plots: each target against the user count, what was measured, what models say, where their data end."""

import io
import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kpp.evaluation.lines import BAND, line_styles
from kpp.evaluation.panels import (
    ASKED,
    EDGE,
    FAINT,
    INK,
    LEARNED,
    TRAINED,
    VERDICT_COLORS,
    are_ringed,
    draw_panel,
)
from kpp.evaluation.pictures import ServicePicture
from kpp.predictor.display import UNITS
from kpp.schema import TARGETS

Handle: TypeAlias = Artist | tuple[Artist, ...]

FORMATS = (".png", ".svg", ".pdf")
MOST_ROWS = 12  # services in one picture; more cannot be looked at
WIDTH, DOTS_PER_INCH = 10.0, 180  # inches: 1800 pixels, twice what a page shows, for fine screens
# heights in inches: of a row (alone, one of several), above the rows (the same), below, of a legend's line
ALONE, ROW, HEAD, HEAD_OF_SEVERAL, FOOT, LEGEND_LINE = 2.7, 1.8, 0.78, 0.96, 0.6, 0.22
SUBTITLE = 0.2  # inches, if there is one
GAP = 0.36  # of a row's height, between rows
LEFT, RIGHT = 0.052, 0.985  # of the width
LEGEND_COLUMNS = 4


def draw(pictures: Sequence[ServicePicture], title: str, coverage: float, suffix: str = ".png") -> bytes:
    """Draw a row of three panels, one per target, for each service.

    Args:
        pictures: at least one, at most `MOST_ROWS`.
        title: says what was predicted.
        coverage: of the intervals, for the legend.
        suffix: one of `FORMATS`.
    """
    handles, labels = zip(*_legend(pictures, coverage), strict=True)
    lines = -(-len(handles) // LEGEND_COLUMNS)
    head = HEAD if len(pictures) == 1 else HEAD_OF_SEVERAL
    head += SUBTITLE if pictures[0].branches else 0.0
    rows = ALONE if len(pictures) == 1 else ROW * len(pictures)
    height = head + rows + FOOT + LEGEND_LINE * lines
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH)
    bottom, top = (FOOT + LEGEND_LINE * lines) / height, 1 - head / height
    panels = figure.subplots(
        len(pictures),
        len(TARGETS),
        squeeze=False,
        gridspec_kw={
            "left": LEFT,
            "right": RIGHT,
            "bottom": bottom,
            "top": top,
            "wspace": 0.19,
            "hspace": GAP,
        },
    )
    for row, picture in zip(panels, pictures, strict=True):
        for panel, target in zip(row, TARGETS, strict=True):
            draw_panel(panel, picture, target)
    _add_titles(figure, panels.tolist(), pictures, title)
    figure.legend(
        handles=handles,
        labels=labels,
        handler_map={tuple: HandlerTuple(ndivide=1)},
        loc="lower left",
        bbox_to_anchor=(LEFT - 0.012, 0.06 / height),
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        columnspacing=2.0,
    )
    content = io.BytesIO()
    figure.savefig(content, format=suffix.removeprefix("."))
    return content.getvalue()


def _add_titles(
    figure: Figure, panels: list[list[Axes]], pictures: Sequence[ServicePicture], title: str
) -> None:
    """The service or the number of services and the title above all, the targets above their columns."""
    height = float(figure.get_figheight())
    alone = len(pictures) == 1
    name = pictures[0].service if alone else f"{len(pictures)} services"
    figure.text(0.012, 1 - 0.28 / height, name, fontsize=14, fontweight="bold", color=INK)
    figure.text(RIGHT, 1 - 0.26 / height, title, fontsize=9.5, color=FAINT, ha="right")
    lower = 0.0
    if pictures[0].branches:
        lower = SUBTITLE
        parts = [f"{number} {name}" for number, name in enumerate(pictures[0].branches.values(), start=1)]
        text = f"a line for each layout: {'; '.join(parts)}"
        figure.text(RIGHT, 1 - 0.46 / height, text, fontsize=8.5, color=FAINT, ha="right")
    for panel, unit in zip(panels[0], UNITS.values(), strict=True):
        above = 1 - ((0.69 if alone else 0.6) + lower) / height
        left = panel.get_position().x0
        figure.text(left, above, f"{unit.title}, {unit.name}", fontsize=10.5, color=INK)
    for panel in panels[-1]:
        panel.set_xlabel("users", fontsize=9, color=INK, labelpad=2)
    for row, picture in zip(panels, pictures, strict=True):
        if not alone:
            row[0].set_title(picture.service, loc="left", fontsize=10, fontweight="bold", color=INK, pad=5)


def _legend(pictures: Sequence[ServicePicture], coverage: float) -> Iterator[tuple[Handle, str]]:
    """What was measured; the lines that matter most and their interval; the other lines."""
    picture = pictures[0]
    yield from _legend_of_data(picture)
    yield from _legend_of_verdicts(pictures)
    styles = {name: (color, style) for each in pictures for name, color, style in line_styles(each)}
    for name in [*picture.shown, *(name for name in styles if name not in picture.shown)]:
        color, style = styles[name]
        width = 2.4 if name in picture.shown else 1.3
        yield Line2D([], [], color=color, linestyle=style, linewidth=width), name
        if name == picture.shown[0]:
            yield Patch(facecolor=color, alpha=BAND, linewidth=0), f"{100 * coverage:g} % interval"


def _legend_of_data(picture: ServicePicture) -> Iterator[tuple[Handle, str]]:
    least, most = picture.learned_range
    edge = Line2D([], [], color=INK, linewidth=0.9, linestyle=EDGE)
    if len(picture.asked):
        yield _dot(LEARNED), "measured, learned"
        yield _dot(ASKED), "measured, held out" + ("; ringed: median" if are_ringed(picture) else "")
    else:
        yield _dot(LEARNED), "measured: median of a load"
    if not picture.verdicts:
        yield (Patch(facecolor=TRAINED), edge), f"training data and edge, {least:g} to {most:g} users"
    elif not math.isnan(most):  # as it is if the service was never measured
        yield edge, f"edge of the data, {most:g} users"


def _legend_of_verdicts(pictures: Sequence[ServicePicture]) -> Iterator[tuple[Handle, str]]:
    found = {verdict for picture in pictures for verdict in picture.verdicts.values()}
    for verdict, color in VERDICT_COLORS.items():
        if verdict in found:
            yield Patch(facecolor=color, edgecolor="#cfd6dd", linewidth=0.6), verdict


def _dot(color: str) -> Line2D:
    return Line2D([], [], color=color, marker="o", markersize=5, linestyle="")
