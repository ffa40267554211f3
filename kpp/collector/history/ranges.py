"""Range queries over a grid: in chunks, in parallel, smaller where a chunk is too much, gaps left as NaN."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

import numpy as np

from kpp.collector.history.instants import Floats, Grid, Span
from kpp.collector.prometheus.answer import Series
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus.coverage import Coverage
from kpp.collector.prometheus.signals import LARGEST_VALUE
from kpp.errors import PrometheusError, QueryError

MOST_POINTS = 11_000  # of a series in one answer: Prometheus's limit
CHUNK_POINTS = 120  # two hours of minutes: a server has a limit on the samples that it loads, too
CHUNK_WINDOWS = 60  # where it looks for samples, which is more often
assert CHUNK_POINTS <= MOST_POINTS

MOST_CELLS = 50_000_000  # of one question: 400 MB, a month of minutes for a thousand series

Key = tuple[tuple[str, str], ...]  # labels, sorted
Advance = Callable[[], None]


@dataclass(frozen=True)
class Question:
    """A PromQL text as it is sent, and its name in messages and answers.

    With a `coverage` the text says when the newest samples were taken, and the answer is what rates leave out
    of the windows that end at the grid's instants, by what the coverage judges as a whole.
    """

    name: str
    text: str
    coverage: Coverage | None = None

    def spans(self, grid: Grid) -> Iterator[Span]:
        """The chunks in which it is asked."""
        return grid.spans(CHUNK_POINTS if self.coverage is None else CHUNK_WINDOWS)


@dataclass(frozen=True)
class Answered:
    """All values of one question: an array over the grid for each series, NaN where there is none."""

    grid: Grid
    series: dict[Key, Floats] = field(default_factory=dict)

    def add(self, found: Iterable[Series]) -> None:
        """Take values in; what cannot have been measured, and what lies off the grid, stays NaN.

        Raises:
            PrometheusError: there are more series than memory is meant for.
        """
        for each in found:
            key = tuple(sorted(each.metric.items()))
            if key not in self.series:
                if len(self.series) * self.grid.count >= MOST_CELLS:
                    mend = "import a shorter range or fewer labels, or choose a longer --step"
                    raise PrometheusError(f"a query gives more than {len(self.series):,} series", mend=mend)
                self.series[key] = np.full(self.grid.count, np.nan)
            points = np.asarray(each.values, dtype=np.float64).reshape(-1, 2)  # (points, [instant, value])
            numbers, is_own = self.grid.numbers_of(points[:, 0])
            kept = is_own & (points[:, 1] >= 0) & (points[:, 1] <= LARGEST_VALUE)
            self.series[key][numbers[kept]] = points[kept, 1]

    def by(self, *labels: str) -> dict[tuple[str, ...], Floats]:
        """The arrays by the values of some labels, empty where a series lacks one.

        Series that agree in them are taken together, the later where both have a value.
        """
        found: dict[tuple[str, ...], Floats] = {}
        for key, values in self.series.items():
            named = dict(key)
            name = tuple(named.get(label, "") for label in labels)
            found[name] = np.where(np.isnan(values), found.get(name, np.nan), values)
        return found


def count_chunks(grid: Grid, questions: Iterable[Question]) -> int:
    """How often `ask_all` says that it has advanced."""
    return sum(len(list(question.spans(grid))) for question in questions)


def coarsen(api: PrometheusApi, grid: Grid, question: Question) -> Question:
    """Look as rarely for samples as the scrapes at both ends of the grid allow."""
    coverage = question.coverage
    if coverage is None:
        return question
    newest = [
        series
        for at in (grid.start, grid.end)
        for series in api.query_range(
            question.name, question.text, *coverage.range_of(at, at), coverage.step_seconds
        )
    ]
    return replace(question, coverage=coverage.coarser(newest))


def ask_all(
    api: PrometheusApi, grid: Grid, questions: Iterable[Question], *, parallel: int, advance: Advance
) -> Mapping[str, Answered]:
    """Ask every question at every instant of the grid.

    Args:
        api: may be asked from several threads.
        grid: the instants.
        questions: with names of their own.
        parallel: how many requests run at once, at most.
        advance: called after each chunk of each question.

    Returns:
        The answers by the question's name.

    Raises:
        QueryError: a question has no answer even for a single instant; the others are given up.
    """
    answers = {question.name: Answered(grid) for question in questions}
    chunks = [(question, span) for question in questions for span in question.spans(grid)]
    chunks.sort(key=lambda chunk: chunk[1].first)  # all of one time, then all of the next
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="history") as pool:
        names: dict[Future[list[Series]], str] = {}
        try:
            for question, span in chunks:
                names[pool.submit(_ask, api, grid, question, span)] = question.name
            waiting = set(names)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in done:
                    answers[names.pop(each)].add(each.result())
                    advance()
        except BaseException:
            api.give_up()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return answers


def _ask(api: PrometheusApi, grid: Grid, question: Question, span: Span) -> list[Series]:
    """Ask for a span; where that is too much, for its halves."""
    first, last = grid.at(span.first), grid.at(span.end - 1)
    try:
        if question.coverage is None:
            return api.query_range(question.name, question.text, first, last, grid.step_seconds)
        return _ask_left_out(api, question, question.coverage, grid.instants[span.first : span.end])
    except QueryError as error:
        if span.count == 1 or not error.is_too_much:
            raise
    return [series for half in span.halves() for series in _ask(api, grid, question, half)]


def _ask_left_out(api: PrometheusApi, question: Question, coverage: Coverage, ends: Floats) -> list[Series]:
    start, end = coverage.range_of(ends[0], ends[-1])
    newest = api.query_range(question.name, question.text, start, end, coverage.step_seconds)
    return [
        Series({coverage.group: name}, list(zip(ends.tolist(), shares.tolist(), strict=True)))
        for name, shares in coverage.left_out(newest, ends).items()
    ]
