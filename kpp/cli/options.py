"""What commands share: options for settings, and options that are checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kpp.errors import ConfigError

# of the commands that read a campaign for the what-if models
CpuLimits = Annotated[
    Path | None,
    typer.Option(help="CPU limits where the tables have none: Service,CPU Limit in cores of a replica."),
]
Calls = Annotated[
    Path | None,
    typer.Option(help="Who calls whom: Caller,Callee,Calls; if not given, what lies beside the tables."),
]


def setting(field: str, panel: str, text: str, metavar: str | None = None) -> Any:
    """An option for a field of `Config`, which checks its value; the environment may hold it too."""
    from kpp.collector.config import Config, variable_of

    default = getattr(Config(), field)
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else f"{default}".removesuffix(".0")
    return typer.Option(
        help=text,
        envvar=variable_of(field),
        show_default=False if default is None else shown,
        rich_help_panel=panel,
        metavar=metavar or "TEXT",
    )


def parse_users(text: str) -> Sequence[int]:
    """User counts as `kpp collect` takes them.

    >>> parse_users("100:300:100")
    (100, 200, 300)

    Raises:
        ConfigError: it is no list and no range, or a count is not positive.
    """
    from kpp.collector.setting_types import parse_user_counts

    try:
        counts = parse_user_counts(text)
    except ValueError as error:
        raise ConfigError(f"the user counts are {text!r}", mend=f"write {error}") from None
    if not isinstance(counts, tuple) or min(counts) < 1:
        raise ConfigError(f"the user counts are {text!r}", mend="write whole numbers of at least 1")
    return counts


def parse_replicas(text: str) -> tuple[str, int]:
    """A service and its replicas.

    >>> parse_replicas("frontend=2")
    ('frontend', 2)

    Raises:
        ConfigError: it is not written so.
    """
    name, _, count = text.partition("=")
    if not name.strip() or not (count.isascii() and count.isdigit()) or int(count) < 1:
        raise ConfigError(f"--replicas is {text!r}", mend="write a service and a count, as in frontend=2")
    return name.strip(), int(count)


def check_coverage(coverage: float) -> None:
    """Refuse a coverage that no calibration knows.

    Raises:
        ConfigError: with those that are known.
    """
    from kpp.whatif.intervals.intervals import COVERAGES

    if coverage not in COVERAGES:
        mend = f"choose one of {', '.join(f'{each:g}' for each in COVERAGES)}"
        raise ConfigError(f"the coverage {coverage:g} is not calibrated", mend=mend)


def check_folder(path: Path) -> None:
    """Refuse a file in a folder that does not exist.

    Raises:
        ConfigError: there is no such folder.
    """
    if not path.parent.is_dir():
        raise ConfigError("cannot be written: no such folder", where=str(path), mend="make the folder first")
