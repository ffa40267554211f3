"""Phase 1, the experiment loop: drive every load, sample every service, leave the cluster as it was found."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kpp.clock import Clock
from kpp.collector.campaign.ending import outcome_recorded, put_back, restore_found
from kpp.collector.campaign.journal import Journal
from kpp.collector.campaign.journal_record import CampaignRecord, read_journal
from kpp.collector.campaign.manifest import manifest_path, write_manifest
from kpp.collector.campaign.phases import Phases
from kpp.collector.campaign.plan import Experiment, Plan, plan_campaign
from kpp.collector.campaign.survey import Survey, check_same_application, refuse_leftovers, survey
from kpp.collector.cluster.lease_object import Holder
from kpp.collector.cluster.state import Restored, all_gone
from kpp.collector.config import Config
from kpp.collector.csv_writer import CsvWriter
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.collector.observer import Observer
from kpp.collector.prometheus_client import PrometheusClient
from kpp.collector.quality.book import QualityBook
from kpp.collector.quality.quality_file import quality_path
from kpp.files import remove_unfinished

__all__ = ["Observer", "close_campaign", "restore_campaign", "resume_campaign", "run_campaign"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What a campaign is run against, and who watches."""

    config: Config
    cluster: KubernetesClient
    prometheus: PrometheusClient
    clock: Clock
    observer: Observer


def run_campaign(
    config: Config,
    cluster: KubernetesClient,
    prometheus: PrometheusClient,
    clock: Clock,
    observer: Observer,
    plan: Plan | None = None,
) -> None:
    """Run every experiment of a plan and write what is measured as it comes.

    Whatever happens, all that was changed of the cluster is put back as it was found. What cannot be caught
    (a power cut, kill -9) leaves a journal, from which `resume_campaign` or `restore_campaign` does it.

    Args:
        config: the settings.
        cluster: changed by the campaign.
        prometheus: asked for measurements.
        clock: all waiting goes through it.
        observer: is told what happens.
        plan: None takes the user counts of the settings.

    Raises:
        ClusterError: the cluster or Prometheus cannot be reached or refuses; or an experiment has no sample;
            or another campaign has the namespace.
        ConfigError: the output folder cannot be written; or the plan scales what is no service.
    """
    world = World(config, cluster, prometheus, clock, observer)
    plan = plan or plan_campaign(config)
    prometheus.check_ready()
    with Journal.create(config.output_directory, clock) as journal:
        holder = Holder.this_process(journal.begin(config, plan), journal.stem)
        with (
            CsvWriter.open_again(config.output_directory, journal.stem, None) as files,
            outcome_recorded(journal),
            cluster.lease(holder),
        ):
            found = survey(config, cluster, prometheus, clock, plan)
            refuse_leftovers(config.output_directory, found.state)
            book = QualityBook(quality_path(files.path), {})
            _run(world, plan, plan.experiments, found, journal, files, book)


def resume_campaign(
    record: CampaignRecord,
    config: Config,
    cluster: KubernetesClient,
    prometheus: PrometheusClient,
    clock: Clock,
    observer: Observer,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Put back what a dead campaign left, then go on with its first experiment that is not completed.

    The rows of an experiment that was not completed are cut off: it is run again, into the same files.

    Args:
        record: the campaign.
        config: its settings.
        cluster: changed by the campaign.
        prometheus: asked for measurements.
        clock: all waiting goes through it.
        observer: is told what happens.
        check: is called when the cluster is as it was found, and raises if nothing more is to be done.

    Raises:
        ClusterError: as `run_campaign` does; or the application is not the one that was measured before.
        ConfigError: the campaign is still running; or a file cannot be written.
        InputError: a table is not what the campaign wrote.
    """
    world = World(config, cluster, prometheus, clock, observer)
    with _opened_again(record, clock) as (journal, campaign):
        holder = Holder.this_process(campaign.campaign_id, campaign.stem)
        with outcome_recorded(journal), cluster.lease(holder):
            journal.resumed()
            if not campaign.is_restored:  # before all that may hinder the rest
                restored = restore_found(campaign, cluster, journal)
                observer.restored(restored.changes)
                for line in restored.gone:
                    logger.warning("%s", line)
            check()
            prometheus.check_ready()
            found = survey(config, cluster, prometheus, clock, campaign.plan)
            refuse_leftovers(campaign.path.parent, found.state)  # of other campaigns
            if campaign.found is not None:
                found = check_same_application(campaign.found, found)
            with CsvWriter.open_again(campaign.path.parent, campaign.stem, campaign.marks) as files:
                book = QualityBook(quality_path(files.path), campaign.quality)
                _run(world, campaign.plan, campaign.remaining, found, journal, files, book)


def restore_campaign(record: CampaignRecord, cluster: KubernetesClient, clock: Clock) -> Restored:
    """Put back what a dead campaign left, and nothing else; no changes when all is as it had found it.

    Raises:
        KubernetesError: the cluster cannot be reached or refuses, or may be another one.
        ConfigError: the campaign is still running; or its journal cannot be written.
    """
    with (
        _opened_again(record, clock) as (journal, campaign),
        cluster.lease(Holder.this_process(campaign.campaign_id, campaign.stem)),
    ):
        return restore_found(campaign, cluster, journal)


def close_campaign(record: CampaignRecord, load_generator: str, clock: Clock) -> Restored:
    """Record that all that a dead campaign changed exists no more; no cluster is asked.

    Raises:
        ConfigError: the campaign is still running; or its journal cannot be written.
    """
    with _opened_again(record, clock) as (journal, campaign):
        if campaign.state is None or campaign.is_restored:
            return Restored()
        gone = all_gone(campaign.state, load_generator)
        journal.restored(gone)
        return gone


@contextmanager
def _opened_again(record: CampaignRecord, clock: Clock) -> Iterator[tuple[Journal, CampaignRecord]]:
    """The journal of a dead campaign, and what it says now that nobody else writes it."""
    with Journal.open_again(record.path, clock) as journal:
        record = read_journal(record.path) or record
        _tidy(record)
        yield journal, record


def _tidy(record: CampaignRecord) -> None:
    """Remove the files that were being written when a campaign was killed; nobody else writes them now."""
    for path in (manifest_path(record.measurements), quality_path(record.measurements)):
        remove_unfinished(path)


def _run(
    world: World,
    plan: Plan,
    experiments: Iterable[Experiment],
    found: Survey,
    journal: Journal,
    files: CsvWriter,
    book: QualityBook,
) -> None:
    journal.found(found.as_json())
    if not manifest_path(files.path).exists():  # of a campaign that goes on, it tells of the beginning
        write_manifest(manifest_path(files.path), world.config, world.clock.now(), found.as_json())
    phases = Phases(
        world.config,
        world.cluster,
        world.prometheus,
        world.clock,
        world.observer,
        found,
        journal,
        files,
        book,
    )
    world.observer.started(plan, files)
    with put_back(world.cluster, found.state, journal):
        for experiment in experiments:
            phases.start_load(experiment)
            phases.warm_up(experiment)
            phases.measure(experiment)
            phases.cool_down(experiment)


if __name__ == "__main__":
    from kpp.cli.main import main

    main(["collect", *sys.argv[1:]])
