"""How a campaign ends: the cluster is put back as it was found, and the journal says how it went."""

from collections.abc import Iterator
from contextlib import contextmanager

from kpp.collector.campaign.journal import Journal
from kpp.collector.campaign.journal_record import CampaignRecord
from kpp.collector.cluster.state import ClusterState, Restored
from kpp.collector.kubernetes_client import KubernetesClient
from kpp.errors import Interrupted, KubernetesError, LeaseLostError


@contextmanager
def put_back(cluster: KubernetesClient, state: ClusterState, journal: Journal) -> Iterator[None]:
    """Put everything back when the block ends, however it ends; unless the cluster is another campaign's.

    Raises:
        KubernetesError: it could not be put back; or all ended well, on something that is gone by now.
    """
    try:
        yield
    except LeaseLostError:
        raise
    except BaseException:
        journal.restored(cluster.restore(state))
        raise
    restored = cluster.restore(state)
    journal.restored(restored)
    if restored.gone:
        mend = "check what the last experiments measured; there is nothing more to put back"
        raise KubernetesError(f"while it was measured: {'; '.join(restored.gone)}", mend=mend)


@contextmanager
def outcome_recorded(journal: Journal) -> Iterator[None]:
    """Record how the campaign ended."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        journal.ended("interrupted")
        raise
    except BaseException as error:
        journal.ended("failed", str(error))
        raise
    journal.ended("completed")


def restore_found(record: CampaignRecord, cluster: KubernetesClient, journal: Journal) -> Restored:
    """Put the cluster back as a campaign found it, if it had found it, and record it."""
    if record.state is None:
        return Restored()
    restored = cluster.restore(record.state)
    journal.restored(restored)
    return restored
