"""Leases against the simulated API server, on a clock that is turned by hand."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

from kpp.clock import ManualClock
from kpp.collector.cluster.api import KubernetesApi
from kpp.collector.cluster.lease import RENEW_SECONDS, CampaignLease, held
from kpp.collector.cluster.lease_object import DURATION_SECONDS, NAME, Holder
from kpp.collector.config import Config
from kpp.errors import KubernetesError, LeaseLostError
from kpp.simulator.faults import Fault, Refuse, Reset
from kpp.simulator.kubernetes.objects.resources import LEASES
from tests.simulator.kubernetes.conftest import Served, serve
from tests.simulator.kubernetes.kubectl import Kubectl

STARTED_AT = 1_772_409_599.0
ANNA = Holder("id-1", "20260301-235959", "anna", "laptop", 42)
BERT = Holder("id-2", "20260302-080000", "bert", "server", 7)


class Others(ManualClock):
    """Lets something happen while someone sleeps."""

    def __init__(self) -> None:
        super().__init__(STARTED_AT)
        self.meanwhile: Any = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.meanwhile is not None:
            self.meanwhile()


@pytest.fixture
def clock() -> Others:
    return Others()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as serving:
        yield serving


@pytest.fixture
def client(served: Served) -> ApiClient:
    client: ApiClient = new_client_from_config(config_file=str(served.kubeconfig))
    return client


def lease_of(holder: Holder, client: ApiClient, clock: ManualClock) -> CampaignLease:
    return CampaignLease(KubernetesApi(Config(), clock, client), clock, "default", holder)


def spec(served: Served) -> Any:
    found = served.cluster.store.find(LEASES, NAME, "default")
    return found["spec"] if found is not None else None


def test_a_lease_says_who_has_the_namespace_and_is_gone_after(
    served: Served, client: ApiClient, clock: Others, tmp_path: Path
) -> None:
    with held(lease_of(ANNA, client, clock)):
        shown = Kubectl(served.kubeconfig, tmp_path).read("get", "lease", NAME)
        assert shown["spec"] == {
            "holderIdentity": "anna@laptop, process 42, campaign 20260301-235959",
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": "2026-03-01T23:59:59.000000Z",
            "renewTime": "2026-03-01T23:59:59.000000Z",
            "leaseTransitions": 0,
        }
    assert spec(served) is None


def test_a_second_campaign_is_refused_and_told_who_has_the_namespace(
    served: Served, client: ApiClient, clock: Others
) -> None:
    with held(lease_of(ANNA, client, clock)):
        clock.sleep(DURATION_SECONDS - 1)
        with pytest.raises(KubernetesError, match="anna@laptop, process 42") as caught:
            lease_of(BERT, client, clock).acquire()
        assert "kubectl delete lease kpp-campaign --namespace default" in str(caught.value)
        assert spec(served)["holderIdentity"] == str(ANNA)


def test_it_is_renewed_when_it_is_time(served: Served, client: ApiClient, clock: Others) -> None:
    with held(lease := lease_of(ANNA, client, clock)):
        first = spec(served)["renewTime"]
        clock.sleep(RENEW_SECONDS - 1)
        lease.keep()
        assert spec(served)["renewTime"] == first
        clock.sleep(1)
        lease.keep()
        assert spec(served)["renewTime"] == "2026-03-02T00:00:14.000000Z"


def test_an_expired_lease_is_taken_over_with_a_warning(
    served: Served, client: ApiClient, clock: Others, caplog: pytest.LogCaptureFixture
) -> None:
    lease_of(ANNA, client, clock).acquire()
    clock.sleep(DURATION_SECONDS)

    with held(lease_of(BERT, client, clock)):
        assert spec(served)["holderIdentity"] == str(BERT)
        assert spec(served)["leaseTransitions"] == 1

    assert "Taken over from anna@laptop" in caplog.text
    assert "kpp restore" in caplog.text


def test_one_whose_holder_has_a_slow_clock_but_lives_is_not_taken(client: ApiClient, clock: Others) -> None:
    anna = lease_of(ANNA, client, clock)
    anna.acquire()
    clock.sleep(DURATION_SECONDS)
    clock.meanwhile = anna.keep

    with pytest.raises(KubernetesError, match="anna@laptop"):
        lease_of(BERT, client, clock).acquire()


def test_the_same_campaign_takes_it_at_once_on_its_host_and_after_a_watch_on_another(
    served: Served, client: ApiClient, clock: Others
) -> None:
    lease_of(ANNA, client, clock).acquire()
    lease_of(replace(ANNA, process_id=43), client, clock).acquire()
    assert clock.now() == STARTED_AT
    lease_of(replace(ANNA, host="server", process_id=1), client, clock).acquire()
    assert clock.now() > STARTED_AT
    assert spec(served)["holderIdentity"].startswith("anna@server, process 1")


def test_a_campaign_that_slept_too_long_notices_that_it_has_lost_the_namespace(
    served: Served, client: ApiClient, clock: Others
) -> None:
    with held(anna := lease_of(ANNA, client, clock)):
        clock.sleep(10 * DURATION_SECONDS)
        with held(lease_of(BERT, client, clock)):
            with pytest.raises(LeaseLostError, match="bert@server"):
                anna.keep()
            anna.release()
            assert spec(served)["holderIdentity"] == str(BERT)


def test_one_that_was_deleted_by_hand_is_made_again(
    served: Served, client: ApiClient, clock: Others, tmp_path: Path
) -> None:
    with held(lease := lease_of(ANNA, client, clock)):
        Kubectl(served.kubeconfig, tmp_path)("delete", "lease", NAME)
        clock.sleep(RENEW_SECONDS)
        lease.keep()
        assert spec(served)["holderIdentity"] == str(ANNA)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_an_answer_that_is_lost_does_no_harm(
    served: Served, client: ApiClient, clock: Others, method: str
) -> None:
    served.faults.add(Fault(Reset(is_done=True), method=method, path="/leases", times=1))
    with held(lease := lease_of(ANNA, client, clock)):
        for _ in range(2):
            clock.sleep(RENEW_SECONDS)
            lease.keep()
        assert spec(served)["holderIdentity"] == str(ANNA)
        assert served.faults.take(method, "/leases", 0.0) is None or method == "DELETE"
    assert spec(served) is None


def test_without_the_permission_the_campaign_goes_on_with_a_warning(
    served: Served, client: ApiClient, clock: Others, caplog: pytest.LogCaptureFixture
) -> None:
    served.faults.add(Fault(Refuse(403), path="/leases", times=None))
    with held(lease := lease_of(ANNA, client, clock)):
        clock.sleep(RENEW_SECONDS)
        lease.keep()
    assert "A second campaign on this namespace would not be noticed" in caplog.text
    assert "kubectl auth can-i get leases" in caplog.text
    assert len(caplog.messages) == 1


def test_a_renewal_that_fails_is_tried_again_later(
    served: Served, client: ApiClient, clock: Others, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with held(lease := lease_of(ANNA, client, clock)):
        served.faults.add(Fault(Refuse(503), method="PUT", times=1))
        clock.sleep(RENEW_SECONDS)
        lease.keep()
        assert "could not be renewed" in caplog.text
        clock.sleep(RENEW_SECONDS)
        lease.keep()
        assert spec(served)["renewTime"] == "2026-03-02T00:00:29.000000Z"


def test_one_that_cannot_be_removed_is_told_with_the_command(
    served: Served, client: ApiClient, clock: Others, caplog: pytest.LogCaptureFixture
) -> None:
    with held(lease_of(ANNA, client, clock)):
        served.faults.add(Fault(Refuse(403), method="DELETE", times=1))
    assert "expires in 120 s" in caplog.text
    assert "kubectl delete lease kpp-campaign --namespace default" in caplog.text
