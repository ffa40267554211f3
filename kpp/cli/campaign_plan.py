"""`kpp collect --dry-run`: what a campaign would do, shown before it does it."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kpp.clock import Clock
from kpp.collector.config import Config
from kpp.collector.journal_record import CampaignRecord
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.load_generator import LoadState, Patch, load_patch, replicas_patch, restore_patch
from kpp.collector.plan import Plan, plan_campaign


def show_plan(config: Config, clock: Clock, *, as_json: bool) -> None:
    """Print experiments, total time and patches. The cluster is only read, for services and container.

    Raises:
        KubernetesError: the cluster cannot be read; the experiments are shown by then.
    """
    plan = plan_campaign(config)
    if not as_json:
        _print_experiments(plan)
    with KubernetesClient(config, clock) as cluster:
        services = [service.name for service in cluster.discover_services()]
        patches = _patches(config, plan, cluster.read_load())
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


def _patches(config: Config, plan: Plan, found: LoadState) -> dict[str, Patch]:
    """What is sent, by purpose."""
    return {
        "stop the load": replicas_patch(0),
        **{
            f"set {experiment.user_count} users": load_patch(found, experiment.user_count, config.spawn_rate)
            for experiment in plan.experiments
        },
        "start the load": replicas_patch(1),
        "restore": restore_patch(found),
    }


def _as_record(config: Config, plan: Plan, services: list[str], patches: dict[str, Patch]) -> dict[str, Any]:
    return {
        "services": services,
        "experiments": [asdict(experiment) for experiment in plan.experiments],
        "total_seconds": plan.total_seconds,
        "deployment": config.load_generator,
        "namespace": config.namespace,
        "patches": patches,
    }


def _print_experiments(plan: Plan) -> None:
    table = Table(title="Plan", title_justify="left")
    for column in ("experiment", "users", "warm-up", "measuring", "cooldown"):
        table.add_column(column, justify="right")
    for experiment in plan.experiments:
        phases = experiment.warmup_seconds, experiment.measured_seconds, experiment.cooldown_seconds
        table.add_row(str(experiment.number), str(experiment.user_count), *map(_duration, phases))
    console = _console()
    console.print(table)
    console.print(f"In all {_duration(plan.total_seconds)}, and the roll-outs of the load generator.")


def _print_patches(config: Config, services: list[str], patches: dict[str, Patch]) -> None:
    console = _console()
    console.print(f"Services ({len(services)}): {', '.join(services)}")
    console.print(f"Patches of Deployment {config.load_generator} in namespace {config.namespace}:")
    for purpose, patch in patches.items():
        console.print(f"  {purpose}: {json.dumps(patch)}", soft_wrap=True)
    console.print("Nothing was changed.")


def _console() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
