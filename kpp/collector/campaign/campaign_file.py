"""A campaign as a file: experiments with users and replicas, in YAML.

    repeats: 2                        # the whole list, so often; 1 if not given
    experiments:
      - users: 50
      - users: 50:150:50              # or [50, 100, 150]: one experiment each
        replicas: {frontend: 2, cartservice: 3}
        repeats: 3                    # each of these, so often in a row

What is wrong is told with its line.
"""

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from kpp.collector.campaign.plan import Level
from kpp.collector.setting_types import parse_user_counts
from kpp.errors import InputError
from kpp.schema import is_dns_label

MOST_EXPERIMENTS = 10_000
_MEND = "write it as docs/campaigns.md shows"


def _as_list(users: object) -> object:
    return [users] if isinstance(users, int) else parse_user_counts(users)


def _check_service(name: str) -> str:
    if not is_dns_label(name):
        raise ValueError("the name of a service has lower-case letters, digits and '-'")
    return name


_FORBID = ConfigDict(extra="forbid")
_Users = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
_Count = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Service = Annotated[str, Field(strict=True), AfterValidator(_check_service)]


@dataclass(frozen=True, config=_FORBID)
class _Entry:
    """Experiments with the same replicas."""

    users: Annotated[tuple[_Users, ...], BeforeValidator(_as_list), Field(min_length=1)]
    replicas: dict[_Service, _Count] = Field(default_factory=dict)
    repeats: _Count = 1

    def levels(self) -> Iterator[Level]:
        for user_count in self.users:
            yield from [Level(user_count, self.replicas)] * self.repeats


@dataclass(frozen=True, config=_FORBID)
class _File:
    experiments: Annotated[list[_Entry], Field(min_length=1)]
    repeats: _Count = 1


_ADAPTER = TypeAdapter(_File)


def read_campaign_file(path: Path) -> tuple[Level, ...]:
    """Read the experiments of a campaign, in their order.

    Raises:
        InputError: the file cannot be read, is no YAML, or holds something else: all faults in one line, each
            with the line of the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"cannot be read: {reason}", where=str(path), mend="name another file") from error
    try:
        root, content = _parse(text)
        faults = list(_find_repeated_keys(root))
    except yaml.YAMLError as error:
        raise InputError(f"is no YAML: {_describe_yaml(error)}", where=str(path), mend=_MEND) from error
    except RecursionError as error:
        raise InputError("is nested too deep", where=str(path), mend=_MEND) from error
    if faults:
        raise InputError("; ".join(faults), where=str(path), mend=_MEND)
    try:
        file = _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise InputError("; ".join(_describe(error, root)), where=str(path), mend=_MEND) from error
    levels = tuple(level for entry in file.experiments for level in entry.levels()) * file.repeats
    if len(levels) > MOST_EXPERIMENTS:
        raise InputError(
            f"asks for {len(levels)} experiments, more than {MOST_EXPERIMENTS}", where=str(path), mend=_MEND
        )
    return levels


def _parse(text: str) -> tuple[yaml.Node | None, object]:
    """The document as a tree with places, and as values."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        return root, loader.construct_document(root) if root is not None else None
    finally:
        loader.dispose()


def _find_repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """YAML forbids them, and the library takes the last one."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _find_repeated_keys(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"line {_line(key)}: {key.value} is there twice"
            seen.add(key.value if isinstance(key.value, Hashable) else id(key))
            yield from _find_repeated_keys(value)


_MESSAGES = {
    "extra_forbidden": "nothing that a campaign has",
    "unexpected_keyword_argument": "nothing that a campaign has",
    "missing": "missing",
    "missing_argument": "missing",
    "dataclass_type": "must be a mapping",
    "too_short": "at least one is needed",
    "tuple_type": "must be a whole number, a list of them, or a range like 10:100:10",
    "int_type": "must be a whole number",
    "string_type": "must be the name of a service",
}


def _describe(error: ValidationError, root: yaml.Node | None) -> Iterator[str]:
    for fault in error.errors():
        line, name = _locate(root, fault["loc"])
        message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        yield f"line {line}: {name}: {_MESSAGES.get(fault['type'], message)}"


def _locate(root: yaml.Node | None, path: Sequence[int | str]) -> tuple[int, str]:
    """The line of what a path leads to, or of the last part that is there; and the path's name."""
    node, line = root, _line(root)
    for part in path:
        found = _step(node, part)
        if found is None:
            break
        key, node = found
        line = _line(key)
    names = [part for part in path if isinstance(part, str) and part != "[key]"]
    if names[:1] == ["experiments"]:
        names = names[1:] or ["an experiment" if len(path) > 1 else "experiments"]
    return line, ".".join(names) or "the file"


def _step(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """One step into the tree: where it is written, and what is there."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    return None


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1


def _describe_yaml(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    place = f"line {mark.line + 1}: " if mark is not None else ""
    return place + " ".join(problem.split())
