"""The load generator's Deployment as plain JSON: what it was found with, and the patches that change it.

All patches are strategic-merge patches: `containers` and `env` merge by name, so that what a patch does not
name stays, and null or `$patch: delete` removes.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kpp.collector.cluster.load_profile import LoadProfile, parse_load_variables
from kpp.collector.config import Config
from kpp.errors import KubernetesError

LOCUST = LoadProfile()

Patch = dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """An environment variable of a container."""

    name: str
    entry: Mapping[str, Any] | None  # its item of `env` as found; None: absent

    def __str__(self) -> str:
        if self.entry is None:
            return f"{self.name} absent"
        if "valueFrom" in self.entry:
            return f"{self.name} from {self.entry['valueFrom']}"
        return f"{self.name}={self.entry.get('value', '')}"


@dataclass(frozen=True)
class LoadState:
    """What a campaign changes of the load generator, as it was found."""

    replicas: int
    container: str  # the one that is told the load; empty where only the replicas are changed
    variables: tuple[Variable, ...]  # that are changed, as the container orders them, those absent last

    def __str__(self) -> str:
        if not self.variables:
            return f"replicas {self.replicas}"
        return (
            f"replicas {self.replicas}, {', '.join(map(str, self.variables))} in container {self.container}"
        )


def profile_of(config: Config) -> LoadProfile:
    """How the settings say that the load generator is told its load."""
    templates = parse_load_variables(config.load_variables)
    return LoadProfile(config.load_container, templates, config.users_per_replica)


def find_load(deployment: Mapping[str, Any], profile: LoadProfile = LOCUST) -> LoadState:
    """Find the container that is told the load, and what it is told.

    Args:
        deployment: a Deployment as the API gives it, in JSON.
        profile: which variables are changed.

    Raises:
        KubernetesError: no container, or more than one, has the variable with the users; the container that
            is named does not exist; or a value could not be put back later.
    """
    replicas = deployment["spec"].get("replicas", 1)
    if not profile.variables:
        return LoadState(replicas, "", ())
    container = _find_container(deployment, profile)
    return LoadState(replicas, container["name"], _find_variables(deployment, container, profile.variables))


def load_patch(state: LoadState, user_count: int, spawn_rate: int, profile: LoadProfile = LOCUST) -> Patch:
    """Set the variables of the profile, and nothing else; at least one.

    >>> users = Variable("USERS", {"name": "USERS", "value": "10"})
    >>> state = LoadState(1, "main", (users, Variable("RATE", None)))
    >>> load_patch(state, 50, 5)["spec"]["template"]["spec"]["containers"][0]["env"]
    [{'name': 'USERS', 'value': '50'}, {'name': 'RATE', 'value': '5'}]
    """
    values = profile.values(user_count, spawn_rate)
    entries: list[dict[str, Any]] = []
    for variable in state.variables:
        entry: dict[str, Any] = {"name": variable.name, "value": values[variable.name]}
        if variable.entry is not None and "valueFrom" in variable.entry:
            entry["valueFrom"] = None  # the API refuses a variable that has both
        entries.append(entry)
    return _patch_variables(state.container, entries)


def replicas_patch(replicas: int) -> Patch:
    """Scale, and change nothing else."""
    return {"spec": {"replicas": replicas}}


def restore_patch(state: LoadState) -> Patch:
    """Put replicas and variables back, whatever they hold by then.

    >>> users = Variable("USERS", {"name": "USERS", "value": "10"})
    >>> state = LoadState(1, "main", (users, Variable("RATE", None)))
    >>> restore_patch(state)["spec"]["template"]["spec"]["containers"][0]["env"]
    [{'name': 'USERS', 'value': '10', 'valueFrom': None}, {'name': 'RATE', '$patch': 'delete'}]
    """
    entries = [
        {"name": variable.name, "$patch": "delete"}
        if variable.entry is None
        else {"name": variable.name, "value": None, "valueFrom": None, **variable.entry}
        for variable in state.variables
    ]
    patch = _patch_variables(state.container, entries) if entries else {"spec": {}}
    patch["spec"]["replicas"] = state.replicas
    return patch


def kubectl_patch_command(name: str, namespace: str, context: str | None, patch_json: str) -> str:
    """The command that sends a patch by hand, quoted for a shell.

    >>> kubectl_patch_command("load", "shop", None, '{"spec": {"replicas": 1}}')
    'kubectl patch deployment load --namespace shop --type strategic --patch \\'{"spec": {"replicas": 1}}\\''
    """
    command = ["kubectl", "patch", "deployment", name, "--namespace", namespace]
    command += ["--context", context] if context else []
    return shlex.join([*command, "--type", "strategic", "--patch", patch_json])


def _find_container(deployment: Mapping[str, Any], profile: LoadProfile) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    names = ", ".join(container["name"] for container in containers)
    where = f"Deployment {deployment['metadata']['name']}"
    if profile.container is not None:
        for container in containers:
            if container["name"] == profile.container:
                return container
        raise KubernetesError(
            f"has no container {profile.container}, only {names}",
            where=where,
            mend="name one of them in KPP_LOAD_CONTAINER",
        )
    found = [each for each in containers if any(_entries(each, name) for name in profile.users_variables)]
    if len(found) != 1:
        wanted = " or ".join(profile.users_variables)
        raise KubernetesError(
            f"{'more than one' if found else 'no'} container of {names} has the variable {wanted}",
            where=where,
            mend=f"name in KPP_LOAD_GENERATOR the Deployment with {wanted} in the env of one container, "
            "or in KPP_LOAD_CONTAINER the container that is to get it",
        )
    return found[0]


def _find_variables(
    deployment: Mapping[str, Any], container: Mapping[str, Any], names: Sequence[str]
) -> tuple[Variable, ...]:
    present: list[Variable] = []
    for entry in container.get("env", []):  # in this order: a patch in another one would reorder the env
        name = entry["name"]
        if name in names:
            if len(_entries(container, name)) > 1:
                raise KubernetesError(
                    f"container {container['name']} has {name} more than once: it could not be put back",
                    where=f"Deployment {deployment['metadata']['name']}",
                    mend="give it once",
                )
            present.append(Variable(name, entry))
    absent = [Variable(name, None) for name in names if not _entries(container, name)]
    return (*present, *absent)


def _entries(container: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [entry for entry in container.get("env", []) if entry["name"] == name]


def _patch_variables(container: str, entries: list[dict[str, Any]]) -> Patch:
    return {"spec": {"template": {"spec": {"containers": [{"name": container, "env": entries}]}}}}
