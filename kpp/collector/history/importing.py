"""An import from top to bottom: ask for a range, find the load, make the table, write it whole."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kpp.clock import Clock
from kpp.collector.config import Config
from kpp.collector.history.files import ImportFiles, choose_files, write_import
from kpp.collector.history.instants import Floats, Grid, tell_instant
from kpp.collector.history.loads import Interval, read_users, refused_query, users_of_intervals, users_of_rate
from kpp.collector.history.ranges import Answered, Question, ask_all, coarsen, count_chunks
from kpp.collector.profiles.profile import Profile, Signal
from kpp.collector.profiles.reading import read_profile
from kpp.collector.prometheus.api import PrometheusApi
from kpp.collector.prometheus.coverage import POD, Coverage
from kpp.collector.queries import SELF_TEST
from kpp.errors import ConfigError, QueryError

if TYPE_CHECKING:
    from kpp.collector.history.table import Answers

logger = logging.getLogger(__name__)

USERS = "users"
SHOWN_NAMES, SHOWN_CHARACTERS = 5, 80  # of names that are left out


@dataclass(frozen=True)
class Request:
    """What to import.

    Attributes:
        users_query: PromQL that gives the user count; or
        intervals: times with their user count. Without both, the entry service's request rate is the load.
        output: the table's file; None for a name by the present in the folder of the configuration.
    """

    grid: Grid
    users_query: str | None = None
    intervals: tuple[Interval, ...] = ()
    parallel: int = 4
    output: Path | None = None

    @property
    def load(self) -> str:
        """Where the load comes from, in a word or two."""
        if self.users_query is not None:
            return "query"
        return "intervals" if self.intervals else "request rate"


@dataclass(frozen=True)
class Imported:
    """What was written."""

    files: ImportFiles
    services: tuple[str, ...]
    row_count: int
    call_count: int
    instants_left_out: int  # without a known load


class Observer(Protocol):
    """Watches an import, to show it."""

    def started(self, chunk_count: int) -> None:
        """So many chunks are going to be asked for."""

    def advanced(self) -> None:
        """One of them is there."""


def import_history(config: Config, request: Request, clock: Clock, observer: Observer) -> Imported:
    """Make a table from what a Prometheus holds. All files are written, or none.

    Raises:
        ConfigError: the profile or the query for the users is faulty; the range holds no requests, or no
            load; or a file cannot be written.
        PrometheusError: Prometheus cannot be reached, or refuses.
    """
    from kpp.collector.history import table  # late: pandas takes longer to load than an error may

    profile = read_profile(config.profile)
    files = choose_files(request.output, config.output_directory, clock.now())
    questions = list(make_questions(config, request, profile))
    answered = _ask(config, request, profile, questions, clock, observer)
    answers = table.Answers(
        request.grid, {Signal(name): each for name, each in answered.items() if name != USERS}, profile.labels
    )
    services = _find_services(config, request.grid, answers)
    users = _find_users(config, request, answers, answered)
    measurements = table.make_table(answers, services, users)
    if measurements.empty:
        mend = "choose another range, or give the load in another way (--users-query, --users-file)"
        raise ConfigError(_without_load(config, request), mend=mend)
    calls = table.find_calls(answers, services)
    write_import(files, config, request.grid, request.load, questions, measurements, calls)
    left_out = request.grid.count - int((users > 0).sum())
    return Imported(files, services, len(measurements), len(calls), left_out)


def make_questions(config: Config, request: Request, profile: Profile) -> Iterator[Question]:
    """What is asked, as it is sent. Rates look back over the step at least, so that nothing is missed."""
    if request.users_query is not None:
        yield Question(USERS, request.users_query)
    window_seconds, cpu_window_seconds = _window_seconds(config, request.grid)
    coverages = {
        Signal.NEWEST_REQUESTS: Coverage(profile.labels.workload, window_seconds, window_seconds),
        Signal.NEWEST_CPU: Coverage(POD, cpu_window_seconds, cpu_window_seconds),
    }
    for signal, text in profile.texts(config.namespace, window_seconds, cpu_window_seconds):
        yield Question(signal.value, text, coverages.get(signal))


def _window_seconds(config: Config, grid: Grid) -> tuple[int, int]:
    """The ranges of rates: of requests, and of CPU."""
    return (
        max(grid.step_seconds, config.rate_window_seconds),
        max(grid.step_seconds, config.cpu_rate_window_seconds),
    )


def _ask(
    config: Config,
    request: Request,
    profile: Profile,
    questions: list[Question],
    clock: Clock,
    observer: Observer,
) -> Mapping[str, Answered]:
    """Ask for everything; for the CPU by pod only where there is none by container."""
    has_both = {Signal.CPU_BY_CONTAINER, Signal.CPU_BY_POD} <= profile.queries.keys()
    later = [each for each in questions if has_both and each.name == Signal.CPU_BY_POD]
    now = [each for each in questions if each not in later]
    api = PrometheusApi(
        config.prometheus_url,
        config.namespace,
        config.request_timeout_seconds,
        clock,
        config.prometheus_access,
    )
    try:
        api.query(SELF_TEST, None, 1)
        now = [coarsen(api, request.grid, each) for each in now]
        observer.started(count_chunks(request.grid, now))
        answered = dict(ask_all(api, request.grid, now, parallel=request.parallel, advance=observer.advanced))
        if later and not answered[Signal.CPU_BY_CONTAINER].series:
            observer.started(count_chunks(request.grid, later))
            answered |= ask_all(
                api, request.grid, later, parallel=request.parallel, advance=observer.advanced
            )
    except QueryError as error:
        if error.query == USERS and error.is_refused and request.users_query is not None:
            raise refused_query(error, request.users_query) from None
        raise
    finally:
        api.close()
    return answered


def _without_load(config: Config, request: Request) -> str:
    if request.users_query is not None:
        return f"the query for the users is nowhere more than 0 in this range: {request.users_query}"
    if request.intervals:
        return "no instant of the range has all of its windows in one interval of the file"
    rate = f"the request rate of {config.entry_service}"
    return f"{rate}, which is to be the load, is 0 or unknown all the time"


def _find_services(config: Config, grid: Grid, answers: "Answers") -> tuple[str, ...]:
    from kpp.collector.history import table

    services, refused = table.find_services(answers, [*config.excluded_services, config.load_generator])
    if refused:
        shown = [repr(name)[:SHOWN_CHARACTERS] for name in refused[:SHOWN_NAMES]]
        more = [f"and {len(refused) - SHOWN_NAMES} more"] if len(refused) > SHOWN_NAMES else []
        logger.warning("Left out, since the name is no DNS-1123 label: %s", ", ".join([*shown, *more]))
    if not services:
        raise ConfigError(
            f"no service of the namespace {config.namespace} served a request between "
            f"{tell_instant(grid.start)} and {tell_instant(grid.end)}",
            where=config.prometheus_url,
            mend="check the range, KPP_NAMESPACE and KPP_PROFILE, and how long Prometheus keeps its data",
        )
    return services


def _find_users(
    config: Config, request: Request, answers: "Answers", answered: Mapping[str, Answered]
) -> Floats:
    """The load over the grid, NaN where it is not known."""
    if request.users_query is not None:
        return read_users(answered[USERS], request.users_query)
    if request.intervals:
        longest_seconds = max(_window_seconds(config, request.grid))
        return users_of_intervals(request.intervals, request.grid, longest_seconds)
    rates = answers.rates_of_requests(Signal.THROUGHPUT)
    if config.entry_service not in rates:
        raise ConfigError(
            f"the service {config.entry_service}, whose request rate is to be the load, served no request",
            mend="name another with --entry-service, or give the load with --users-query or --users-file",
        )
    return users_of_rate(rates[config.entry_service])
