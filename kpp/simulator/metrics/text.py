"""Prometheus's text format, version 0.0.4."""

import math
from collections.abc import Iterable

from kpp.simulator.metrics.series import Block, Family, Labels, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render_text(blocks: Iterable[Block]) -> str:
    """Write blocks as a target exposes them: each family's lines together, under its TYPE line.

    >>> from kpp.simulator.metrics.series import Family, block, layout_of
    >>> cores = layout_of(Family("machine_cpu_cores", "gauge", "Number of logical CPU cores."))
    >>> print(render_text([block(cores, (("boot_id", "a"),), [4])]), end="")
    # HELP machine_cpu_cores Number of logical CPU cores.
    # TYPE machine_cpu_cores gauge
    machine_cpu_cores{boot_id="a"} 4
    """
    lines: dict[Family, list[str]] = {}
    for block in blocks:
        ending = "" if block.timestamp_ms is None else f" {block.timestamp_ms}"
        for series, value in zip(block.layout.series, block.values.tolist(), strict=True):
            labels = _render_labels(series, block.labels)
            line = f"{series.name}{labels} {_render_value(value)}{ending}\n"
            lines.setdefault(series.family, []).append(line)
    return "".join(_header(family) + "".join(its_lines) for family, its_lines in lines.items())


def _header(family: Family) -> str:
    help_line = f"# HELP {family.name} {family.help}\n" if family.help else ""
    return f"{help_line}# TYPE {family.name} {family.kind}\n"


def _render_labels(series: Series, labels: Labels) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in (*labels, *series.labels))
    return f"{{{inside}}}" if inside else ""


def _render_value(value: float) -> str:
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return repr(value).replace("inf", "Inf").replace("nan", "NaN")
