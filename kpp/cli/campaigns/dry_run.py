"""`kpp collect --dry-run`: what a campaign would do, shown before it does it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kpp.clock import Clock
from kpp.collector.campaign.journal_record import CampaignRecord
from kpp.collector.campaign.plan import Level, Plan, plan_campaign
from kpp.collector.campaign.survey import find_deployments
from kpp.collector.cluster.load_generator import Patch, load_patch, profile_of, replicas_patch, restore_patch
from kpp.collector.cluster.state import ClusterState
from kpp.collector.config import Config
from kpp.collector.kubernetes_client import KubernetesClient


def show_plan(config: Config, levels: Sequence[Level] | None, clock: Clock, *, as_json: bool) -> None:
    """Print experiments, total time and patches. The cluster is only read, for services and container.

    Raises:
        ConfigError: the plan scales what is no service.
        KubernetesError: the cluster cannot be read; the experiments are shown by then.
    """
    plan = plan_campaign(config, levels)
    if not as_json:
        _print_experiments(plan)
    with KubernetesClient(config, clock) as cluster:
        deployments = find_deployments(plan, cluster.discover_services())
        found = cluster.read_state([deployments[name] for name in plan.scaled_services])
    patches = _patches(config, plan, deployments, found)
    services = sorted(deployments)
    if as_json:
        typer.echo(json.dumps(_as_record(config, plan, services, patches), indent=2))
    else:
        _print_patches(config, services, patches)


def show_remaining(record: CampaignRecord, *, as_json: bool) -> None:
    """Print what `--resume` would do; the cluster is not asked."""
    remaining = Plan(record.remaining)
    to_restore = None if record.is_restored or record.state is None else record.state
    if as_json:
        experiments = [asdict(experiment) for experiment in remaining.experiments]
        state = to_restore.as_json() if to_restore is not None else None
        report = {"journal": str(record.path), "restore": state, "experiments": experiments}
        typer.echo(json.dumps({**report, "total_seconds": remaining.total_seconds}, indent=2))
        return
    console = _console()
    console.print(f"Campaign of {record.path}", soft_wrap=True)
    if to_restore is not None:
        console.print(f"First the load generator is put back: {to_restore.load}", soft_wrap=True)
        for name, count in to_restore.replicas.items():
            console.print(f"and Deployment {name}: replicas {count}")
    _print_experiments(remaining)
    console.print("Nothing was changed.")


def _patches(
    config: Config, plan: Plan, deployments: Mapping[str, str], found: ClusterState
) -> dict[str, tuple[str, Patch]]:
    """What is sent to which Deployment, by purpose."""
    profile, load_generator = profile_of(config), config.load_generator
    patches: dict[str, tuple[str, Patch]] = {"stop the load": (load_generator, replicas_patch(0))}
    for experiment in plan.experiments:
        for name, count in experiment.replicas.items():
            patches[f"give {name} {count} replicas"] = (deployments[name], replicas_patch(count))
        users = experiment.user_count
        if profile.variables:
            patch = load_patch(found.load, users, config.spawn_rate, profile)
            patches[f"set {users} users"] = (load_generator, patch)
        else:
            patches[f"start {users} users"] = (load_generator, replicas_patch(profile.replicas(users)))
    if profile.variables:
        patches["start the load"] = (load_generator, replicas_patch(1))
    patches["restore"] = (load_generator, restore_patch(found.load))
    for name in plan.scaled_services:
        deployment = deployments[name]
        patches[f"restore {name}"] = (deployment, replicas_patch(found.replicas[deployment]))
    return patches


def _as_record(
    config: Config, plan: Plan, services: list[str], patches: Mapping[str, tuple[str, Patch]]
) -> dict[str, Any]:
    return {
        "services": services,
        "experiments": [asdict(experiment) for experiment in plan.experiments],
        "total_seconds": plan.total_seconds,
        "deployment": config.load_generator,
        "namespace": config.namespace,
        "patches": {purpose: patch for purpose, (_, patch) in patches.items()},
        "deployments": {purpose: deployment for purpose, (deployment, _) in patches.items()},
    }


def _print_experiments(plan: Plan) -> None:
    table = Table(title="Plan", title_justify="left")
    columns = ("experiment", "users", "warm-up", "measuring", "cooldown")
    for column in columns:
        table.add_column(column, justify="right")
    if plan.scaled_services:
        table.add_column("replicas", overflow="fold")
    for experiment in plan.experiments:
        phases = experiment.warmup_seconds, experiment.measured_seconds, experiment.cooldown_seconds
        cells = str(experiment.number), str(experiment.user_count), *map(_duration, phases)
        replicas = "\n".join(f"{name}={count}" for name, count in sorted(experiment.replicas.items()))
        table.add_row(*cells, *([replicas or "as found"] if plan.scaled_services else []))
    console = _console()
    console.print(table)
    console.print(f"In all {_duration(plan.total_seconds)}, and the roll-outs of the load generator.")


def _print_patches(config: Config, services: list[str], patches: Mapping[str, tuple[str, Patch]]) -> None:
    console = _console()
    console.print(f"Services ({len(services)}): {', '.join(services)}")
    for deployment in dict.fromkeys(name for name, _ in patches.values()):
        console.print(f"Patches of Deployment {deployment} in namespace {config.namespace}:")
        for purpose, (name, patch) in patches.items():
            if name == deployment:
                console.print(f"  {purpose}: {json.dumps(patch)}", soft_wrap=True)
    console.print("Nothing was changed.")


def _console() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
