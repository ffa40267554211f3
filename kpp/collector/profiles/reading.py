"""Reads a profile, by the name of one that kpp ships or by the path of another, and checks it whole."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import Any

from kpp.collector.profiles.profile import NEEDED, Labels, Profile, Signal
from kpp.collector.queries import PLACEHOLDERS, Query
from kpp.errors import ConfigError

SHIPPED_FOLDER = Path(__file__).parent
DEFAULT_PROFILE = "istio-sidecar"
LONGEST_TEXT = 4096  # characters of a query: the parser ends the process at some thousand levels of nesting
METRICSQL = "metricsql"
DIALECTS = ("promql", METRICSQL)

_KEYS = ("description", "dialect", "labels")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NEGATIVE_INSTANT = re.compile(r"@\s*-")  # the parser panics when it is asked for an instant before 1970


def shipped_profiles() -> list[str]:
    """The names of the profiles that kpp ships."""
    return sorted(path.stem for path in SHIPPED_FOLDER.glob("*.toml"))


def read_profile(name: str) -> Profile:
    """Read a profile.

    Args:
        name: of a shipped profile, or the path of a file in TOML.

    Raises:
        ConfigError: there is none, or it is faulty; one line for all faults.
    """
    path = SHIPPED_FOLDER / f"{name}.toml" if name in shipped_profiles() else Path(name)
    content = _read_toml(path)
    faults = list(_find_faults(content))
    if faults:
        mend = "docs/prometheus.md says what a profile holds"
        raise ConfigError("; ".join(faults), where=str(path), mend=mend)
    queries = {signal: Query(_tell(signal), text) for signal, text in _queries_of(content)}
    return Profile(path.stem, content.get("description", ""), queries, Labels(**content.get("labels", {})))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "there is no such profile"
    except OSError as error:
        what = f"the profile cannot be read: {error.strerror}"
    except UnicodeError:
        what = "the profile is no text in UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = f"the profile is no TOML: {error}"
    mend = f"name a file, or one of those that kpp ships: {', '.join(shipped_profiles())}"
    raise ConfigError(what, where=str(path), mend=mend)


def _find_faults(content: dict[str, Any]) -> Iterator[str]:
    yield from _find_faulty_labels(content.get("labels", {}))
    if not isinstance(content.get("description", ""), str):
        yield "the description is no text"
    dialect = content.get("dialect", DIALECTS[0])
    if dialect not in DIALECTS:
        yield f"the dialect is {dialect!r}, and not {' or '.join(DIALECTS)}"
    found = dict(_queries_of(content))
    yield from _find_strangers(content)
    missing = [signal for signal in NEEDED if signal not in found]
    if not {Signal.CPU_BY_CONTAINER, Signal.CPU_BY_POD} & set(found):
        missing.append(Signal.CPU_BY_CONTAINER)
    if missing:
        yield f"there is no query for {', '.join(missing)}"
    for signal, text in found.items():
        fault = _find_fault(text, dialect)
        if fault:
            yield f"{signal}: {fault}"


def _find_strangers(content: dict[str, Any]) -> Iterator[str]:
    """Keys that mean nothing: a misspelt one would leave a column empty."""
    sections = {signal.section for signal in Signal}
    for key, value in content.items():
        if key in sections and isinstance(value, dict):
            known = [signal.partition(".")[2] for signal in Signal if signal.section == key]
            yield from (
                f"{key}.{each} is no signal{_guess(each, known)}" for each in value if each not in known
            )
        elif key not in _KEYS:
            yield f"{key} is unknown{_guess(key, [*_KEYS, *sections])}"


def _find_faulty_labels(labels: Any) -> Iterator[str]:
    if not isinstance(labels, dict):
        yield "labels is no table"
        return
    known = [each.name for each in fields(Labels)]
    for key, value in labels.items():
        if key not in known:
            yield f"labels.{key} is unknown{_guess(key, known)}"
        elif not isinstance(value, str) or not (key == "sidecar" or _LABEL.fullmatch(value)):
            yield f"labels.{key} is {value!r}, which is no name"


def _find_fault(text: object, dialect: str) -> str | None:
    """What is wrong with one query; None if nothing is."""
    if not isinstance(text, str) or not text.strip():
        return "the query is no text"
    if len(text) > LONGEST_TEXT:
        return f"the query has more than {LONGEST_TEXT} characters"
    template = Template(text)
    if not template.is_valid():
        return "a $ stands alone: write $$ for the character itself"
    if unknown := sorted(set(template.get_identifiers()) - set(PLACEHOLDERS)):
        return f"${unknown[0]} is no placeholder; there are {', '.join(f'${each}' for each in PLACEHOLDERS)}"
    return None if dialect == METRICSQL else _find_syntax_fault(Query("", text).text("shop", 60))


def _find_syntax_fault(text: str) -> str | None:
    import promql_parser  # late: most commands read no profile

    if _NEGATIVE_INSTANT.search(text):
        return "@ with an instant before 1970"
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        return f"no PromQL: {' '.join(str(error).split())}"
    if isinstance(tree, promql_parser.MatrixSelector | promql_parser.StringLiteral):
        return "the query gives no values: it lacks a function, such as rate()"
    return None


def _queries_of(content: dict[str, Any]) -> Iterator[tuple[Signal, str]]:
    for signal in Signal:
        section, _, key = signal.partition(".")
        table = content.get(section)
        if isinstance(table, dict) and key in table:
            yield signal, table[key]


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (is it {close[0]}?)" if close else f"; known are {', '.join(sorted(known))}"


def _tell(signal: Signal) -> str:
    """The name of a query in messages.

    >>> _tell(Signal.CPU_BY_POD), _tell(Signal.RESPONSE_TIME)
    ('CPU by pod', 'response time')
    """
    section, _, key = signal.replace("_", " ").partition(".")
    return f"CPU {key}" if section == "cpu" else key.replace("cpu", "CPU")
