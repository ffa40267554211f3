"""Reads an application from a YAML file and says, with the line, what is wrong with it."""

import dataclasses
import graphlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from kpp.errors import InputError
from kpp.simulator.application import Application, service_of

_SHIPPED = resources.files("kpp.simulator").joinpath("applications")
_MEND = "mend these places; docs/simulator-physics.md describes the format"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is wrong at a place of the file; the place is the path of keys and indices from the top."""

    place: tuple[str | int, ...]
    what: str


def shipped_applications() -> list[str]:
    """The names of the applications that come with kpp.

    >>> shipped_applications()
    ['online_boutique', 'three_tier']
    """
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml")
    )


def read_application(name_or_path: str | Path) -> Application:
    """Read a shipped application by its name, or one from a file.

    Raises:
        InputError: the file is missing, is no YAML, or describes no application; all faults in one line.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped_applications():
        entry = _SHIPPED.joinpath(f"{name_or_path}.yaml")
        return parse_application(entry.read_text(encoding="utf-8"), where=entry.name)
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        mend = f"name a YAML file, or one of {', '.join(shipped_applications())}"
        raise InputError(f"cannot be read: {error}", where=str(path), mend=mend) from error
    return parse_application(text, where=str(path))


def parse_application(text: str, where: str) -> Application:
    """Build an application from YAML text; `where` names the text in errors.

    Raises:
        InputError: as `read_application`.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        content = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        raise InputError(
            f"no YAML: {' '.join(str(error).split())}", where=where, mend="mend the syntax"
        ) from error
    faults = list(_repeated_keys(root)) if root is not None else []
    application: Application | None = None
    try:
        application = TypeAdapter(Application).validate_python(content)
    except ValidationError as error:
        faults += [
            Fault(fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in error.errors()
        ]
    if application is not None:
        faults += [*_unknown_names(application), *_wrong_users(application), *_cycles(application)]
    if application is None or faults:
        raise InputError("; ".join(_describe(fault, root) for fault in faults), where=where, mend=_MEND)
    return application


def _unknown_names(application: Application) -> Iterator[Fault]:
    if application.entry_service not in application.services:
        yield Fault(("entry_service",), f"there is no service {application.entry_service!r}")
    known = {key for key, _ in application.operations()}
    for place, key in (*_called_operations(application), *_requested_operations(application)):
        if key not in known:
            yield Fault(place, f"there is no operation {key!r}")


def _called_operations(application: Application) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for service_name, service in application.services.items():
        for name, operation in service.operations.items():
            for index, call in enumerate(operation.calls):
                yield ("services", service_name, "operations", name, "calls", index), call.operation


def _requested_operations(application: Application) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, action in application.users.actions.items():
        for index, request in enumerate(action.requests):
            for key in filter(None, (request.operation, request.redirect)):
                yield ("users", "actions", name, "requests", index), key


def _wrong_users(application: Application) -> Iterator[Fault]:
    users = application.users
    runner = application.services.get(users.service)
    if runner is None:
        yield Fault(("users", "service"), f"there is no service {users.service!r}")
    elif runner.operations:
        yield Fault(
            ("services", users.service, "operations"), "the service that runs the users offers no operations"
        )
    if users.on_start is not None and users.on_start not in users.actions:
        yield Fault(("users", "on_start"), f"there is no action {users.on_start!r}")
    if users.wait_seconds[0] > users.wait_seconds[1]:
        yield Fault(("users", "wait_seconds"), "the shortest wait comes first")
    if not any(action.weight > 0 for action in users.actions.values()):
        yield Fault(("users", "actions"), "at least one action needs a weight above 0")


def _cycles(application: Application) -> Iterator[Fault]:
    graph = {key: {call.operation for call in operation.calls} for key, operation in application.operations()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]
        place = ("services", service_of(cycle[0]), "operations", cycle[0].partition("/")[2])
        yield Fault(place, f"these operations call each other for ever: {' <- '.join(cycle)}")


def _repeated_keys(root: yaml.Node) -> Iterator[Fault]:
    """YAML lets a key come twice and keeps the last; here that is a slip. Each node is looked at once."""
    waiting: list[tuple[yaml.Node, tuple[str | int, ...]]] = [(root, ())]
    visited: set[int] = set()
    while waiting:
        node, place = waiting.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        children = list(_children(node))
        keys = [key for key, _, _ in children]
        repeated = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        yield from (Fault((*place, key), "this key comes twice") for key in repeated)
        waiting += [(child, (*place, key)) for key, child, _ in children]


def _children(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, int]]:
    """The key or index of each child, the child, and the line where it begins."""
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield str(key.value), child, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield index, child, child.start_mark.line + 1


def _describe(fault: Fault, root: yaml.Node | None) -> str:
    """The fault with the line of the innermost place that the file really has."""
    node, line = root, 1
    for step in fault.place:
        found = [child for child in _children(node) if child[0] == step] if node is not None else []
        if not found:
            break
        _, node, line = found[-1]  # of a key that comes twice the second
    path = ".".join(str(step) for step in fault.place)
    return f"line {line}: {path}: {fault.what}" if path else f"line {line}: {fault.what}"
