"""Composes valid PromQL over the sample series.

The metrics of one expression come from one family, so that most of what is composed has an answer.
"""

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Family:
    """Metrics that go together, their labels, and conditions on these."""

    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    matchers: tuple[str, ...]


_FAMILIES = (
    Family(
        ("http_requests_total", "errors_total", "quota", "build_info", "latency_seconds_bucket"),
        ("job", "instance", "code", "version", "le"),
        (
            'job="api"',
            'job!="api"',
            'job=~"a.*|idle"',
            'job!~"w.b"',
            'instance=""',
            'instance!=""',
            'instance=~"a|b"',
            'code=~"5..|404"',
            'code=~"[25]00"',
            'code!~"2.*"',
            'code=""',
            'le!~"0.*"',
            'le=~"1.*|.Inf"',
        ),
    ),
    Family(
        ("temperature", "odd", "level", "falling_bucket"),
        ("room", "number", "unit", "zone", "le"),
        ('room=~"(north|east)"', 'room!="west"', 'number!="all-nan"', 'zone=~".*ü.*"', 'unit=""', 'le!="4"'),
    ),
    Family(
        ("istio_requests_total", "istio_request_duration_milliseconds_bucket"),
        ("reporter", "source_workload", "destination_workload", "response_code", "le"),
        ('reporter="destination"', 'response_code=~"5..|0"', 'grpc_response_status!~"|0"', 'le!="+Inf"'),
    ),
    Family(
        ("container_cpu_usage_seconds_total", "container_cpu_cfs_periods_total"),
        ("namespace", "pod", "container", "image"),
        ('container!="",container!="POD"', 'container=""', 'image="",pod!=""', 'pod=~"frontend-.+"'),
    ),
)
_RANGES = ("15s", "30s", "47s", "1m", "1m30s", "5m", "10m", "1h")
_SHIFTS = (" offset 1m", " offset -20s", " @ 1700000633.5", " @ start()", " @ end() offset 30s")
_RANGE_FUNCTIONS = (
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "resets",
    "changes",
    "sum_over_time",
    "avg_over_time",
    "max_over_time",
    "min_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
)
_FUNCTIONS = (
    "abs",
    "ceil",
    "floor",
    "ln",
    "log2",
    "log10",
    "sgn",
    "sqrt",
    "round",
    "absent",
    "sort",
    "timestamp",
)
_AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group")
_ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
_NUMBERS = ("0", "1", "-1", "0.5", "2", "3.25", "100", "1e3", "-0.001", "NaN", "Inf", "-Inf", "0x1F")

_ORDERED = 'temperature{room!="north"}'  # no two values alike: among equals, `topk` takes any


def one_in(draw: st.DrawFn, count: int) -> bool:
    """True once in so many times."""
    return draw(st.integers(1, count)) == count


@st.composite
def selectors(draw: st.DrawFn, family: Family, *, has_range: bool = False) -> str:
    """A selector with matchers, an offset or an instant of its own."""
    metric = draw(st.sampled_from(family.metrics))
    text = f"{metric}{{{draw(st.sampled_from(family.matchers)) if one_in(draw, 3) else ''}}}"
    if one_in(draw, 10):
        text = f'{{__name__=~"{metric}|errors_total|quota"}}'
    if has_range:
        text += f"[{draw(st.sampled_from(_RANGES))}]"
    return text + (draw(st.sampled_from(_SHIFTS)) if one_in(draw, 5) else "")


@st.composite
def vectors(draw: st.DrawFn, family: Family, depth: int) -> str:
    """An expression whose value is an instant vector."""
    if depth == 0:
        if draw(st.booleans()):
            return draw(selectors(family))
        return f"{draw(st.sampled_from(_RANGE_FUNCTIONS))}({draw(selectors(family, has_range=True))})"
    composition = draw(st.sampled_from((_aggregated, _called, _paired, _scaled, _negated)))
    return draw(composition(family, depth - 1))


@st.composite
def scalars(draw: st.DrawFn, family: Family, depth: int) -> str:
    """An expression whose value is a scalar."""
    if depth > 0 and one_in(draw, 3):
        return f"scalar({draw(vectors(family, depth - 1))})"
    if depth > 0 and one_in(draw, 3):
        left, right = draw(scalars(family, depth - 1)), draw(scalars(family, depth - 1))
        return f"({left} {draw(st.sampled_from(_ARITHMETIC))} {right})"
    return "time()" if one_in(draw, 6) else draw(st.sampled_from(_NUMBERS))


def _names(family: Family) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(family.labels), max_size=3, unique=True).map(", ".join)


@st.composite
def _aggregated(draw: st.DrawFn, family: Family, depth: int) -> str:
    clause = draw(st.sampled_from(("", "by", "by", "without")))
    grouping = f" {clause} ({draw(_names(family))})" if clause else ""
    if one_in(draw, 8):
        chooser = draw(st.sampled_from(("topk", "bottomk")))
        return f"{chooser}{grouping} ({draw(scalars(family, depth))}, {_ORDERED} * 2)"
    return f"{draw(st.sampled_from(_AGGREGATIONS))}{grouping} ({draw(vectors(family, depth))})"


@st.composite
def _called(draw: st.DrawFn, family: Family, depth: int) -> str:
    inner = draw(vectors(family, depth))
    number = draw(scalars(family, depth))
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return f"{draw(st.sampled_from(('clamp_min', 'clamp_max', 'round')))}({inner}, {number})"
    if kind == 1:
        return f"clamp({inner}, {number}, {draw(st.sampled_from(_NUMBERS))})"
    if kind in (2, 3):
        return f"histogram_quantile({draw(st.sampled_from(('0', '0.5', '0.95', '1', number)))}, {inner})"
    if kind == 4:
        target = draw(st.sampled_from((*family.labels, "new", "__name__")))
        source = draw(st.sampled_from(family.labels))
        return f'label_replace({inner}, "{target}", "$1-x", "{source}", "(.).*")'
    if kind == 5:
        return f"vector({number})"
    return f"{draw(st.sampled_from(_FUNCTIONS))}({inner})"


@st.composite
def _paired(draw: st.DrawFn, family: Family, depth: int) -> str:
    left, right = draw(vectors(family, depth)), draw(vectors(family, depth))
    if draw(st.booleans()):
        right = left  # certain to meet
    matching = draw(st.sampled_from(("", "on", "ignoring")))
    clause = f"{matching} ({draw(_names(family))})" if matching else ""
    if one_in(draw, 4):
        return f"({left}) {draw(st.sampled_from(('and', 'or', 'unless')))} {clause} ({right})"
    if matching == "on" and draw(st.booleans()):
        on, *others = draw(st.permutations(family.labels))
        side = draw(st.sampled_from(("group_left", "group_right")))
        clause = f"on ({on}) {side} ({draw(st.sampled_from(('', others[0])))})"
        one_side = f"max by ({on}, {others[0]}) ({right})"
        left, right = (left, one_side) if side == "group_left" else (one_side, left)
    return f"({left}) {draw(_operators())} {clause} ({right})"


@st.composite
def _scaled(draw: st.DrawFn, family: Family, depth: int) -> str:
    left, right = draw(st.permutations((f"({draw(vectors(family, depth))})", draw(scalars(family, depth)))))
    return f"{left} {draw(_operators())} {right}"


@st.composite
def _negated(draw: st.DrawFn, family: Family, depth: int) -> str:
    return f"-({draw(vectors(family, depth))})"


@st.composite
def _operators(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(_ARITHMETIC))
    return draw(st.sampled_from(_COMPARISONS)) + draw(st.sampled_from(("", " bool")))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """An expression that any query may ask for."""
    family = draw(st.sampled_from(_FAMILIES))
    if one_in(draw, 10):
        return draw(scalars(family, 2))
    return draw(vectors(family, draw(st.integers(1, 2))))
