"""The official Python client against the served cluster."""

import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, ProtocolError

from kpp.simulator.faults import Delay, Fault, Refuse, Reset
from tests.simulator.kubernetes.conftest import Served

NAMESPACE = "default"


# in the client's types everything may be None; a test that finds one fails anyway
Client = Any


@pytest.fixture
def api_client(served: Served) -> Iterator[Client]:
    configuration = client.Configuration()
    config.load_kube_config(str(served.kubeconfig), client_configuration=configuration)
    with client.ApiClient(configuration) as connected:
        yield connected


@pytest.fixture
def apps(api_client: Client) -> Client:
    return client.AppsV1Api(api_client)


@pytest.fixture
def core(api_client: Client) -> Client:
    return client.CoreV1Api(api_client)


def env_patch(**values: str) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in values.items()]
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": variables}]}}}}


def variables(deployment: Client) -> dict[str, str]:
    return {each.name: each.value for each in deployment.spec.template.spec.containers[0].env}


def refused(action: Callable[[], Any]) -> tuple[int, str, str]:
    """The code, reason and message with which the API refuses."""
    with pytest.raises(ApiException) as error:
        action()
    status = json.loads(error.value.body or "")
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert status["code"] == error.value.status
    return status["code"], status["reason"], status["message"]


def test_everything_can_be_read_by_its_types(apps: Client, core: Client) -> None:
    names = [each.metadata.name for each in apps.list_namespaced_deployment(NAMESPACE).items]
    assert names == sorted(names)
    assert len(names) == 12
    frontend = apps.read_namespaced_deployment("frontend", NAMESPACE)
    assert frontend.status.available_replicas == frontend.status.observed_generation == 1
    assert frontend.status.unavailable_replicas is None  # zero fields are omitted
    assert frontend.spec.template.spec.containers[0].resources.limits == {"cpu": "200m", "memory": "128Mi"}
    assert isinstance(frontend.metadata.creation_timestamp, datetime.datetime)
    pods = core.list_namespaced_pod(NAMESPACE, label_selector="app=frontend").items
    assert [each.name for each in pods[0].spec.containers] == ["server", "istio-proxy"]
    assert all(each.ready for each in pods[0].status.container_statuses)
    for listing in (
        apps.list_replica_set_for_all_namespaces,
        core.list_node,
        core.list_namespace,
        core.list_service_for_all_namespaces,
        core.list_service_account_for_all_namespaces,
        core.list_endpoints_for_all_namespaces,
        core.list_event_for_all_namespaces,
    ):
        assert listing().items


def test_a_dict_is_a_strategic_patch_and_a_list_a_json_patch(apps: Client) -> None:
    apps.patch_namespaced_deployment("loadgenerator", NAMESPACE, env_patch(USERS="50", RATE="5"))
    patched = apps.read_namespaced_deployment("loadgenerator", NAMESPACE)
    assert variables(patched) == {"FRONTEND_ADDR": "frontend:80", "USERS": "50", "RATE": "5"}
    operations = [
        {"op": "test", "path": "/spec/template/spec/containers/0/env/1/name", "value": "USERS"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/1/value", "value": "60"},
    ]
    again = apps.patch_namespaced_deployment("loadgenerator", NAMESPACE, operations)
    assert variables(again)["USERS"] == "60"
    assert again.metadata.generation == 3


def test_a_rollout_can_be_awaited(apps: Client, core: Client) -> None:
    def pods() -> list[Client]:
        return list(core.list_namespaced_pod(NAMESPACE, label_selector="app=loadgenerator").items)

    (before,) = pods()
    generation = apps.patch_namespaced_deployment(
        "loadgenerator", NAMESPACE, env_patch(USERS="99")
    ).metadata.generation
    counts = set()
    for _ in range(600):
        deployment = apps.read_namespaced_deployment("loadgenerator", NAMESPACE)
        status = deployment.status
        counts.add(status.replicas)
        is_done = (
            status.observed_generation >= generation
            and (status.updated_replicas or 0) >= 1
            and status.replicas == status.updated_replicas == status.available_replicas
        )
        if is_done and len(pods()) == 1:
            break
        time.sleep(0.02)
    (after,) = pods()
    assert after.metadata.name != before.metadata.name
    assert counts <= {1, 2}  # old and new may overlap
    assert {each.name: each.value for each in after.spec.containers[0].env}["USERS"] == "99"


def test_the_scale_subresource(apps: Client) -> None:
    scale = apps.read_namespaced_deployment_scale("frontend", NAMESPACE)
    assert (scale.spec.replicas, scale.status.selector) == (1, "app=frontend")
    apps.patch_namespaced_deployment_scale("frontend", NAMESPACE, {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment("frontend", NAMESPACE).spec.replicas == 3
    with pytest.raises(ApiException, match="the object has been modified"):
        apps.replace_namespaced_deployment_scale("frontend", NAMESPACE, scale)
    fresh = apps.read_namespaced_deployment_scale("frontend", NAMESPACE)
    fresh.spec.replicas = 0
    assert apps.replace_namespaced_deployment_scale("frontend", NAMESPACE, fresh).spec.replicas is None
    code, reason, message = refused(
        lambda: apps.patch_namespaced_deployment_scale("frontend", NAMESPACE, {"spec": {"replicas": -1}})
    )
    assert (code, reason) == (422, "Invalid")
    assert message.startswith('Scale.autoscaling "frontend" is invalid: spec.replicas: Invalid value: -1')


def test_a_stale_replacement_is_a_conflict(apps: Client) -> None:
    stale = apps.read_namespaced_deployment("frontend", NAMESPACE)
    apps.patch_namespaced_deployment("frontend", NAMESPACE, {"spec": {"minReadySeconds": 1}})
    stale.spec.replicas = 5
    assert refused(lambda: apps.replace_namespaced_deployment("frontend", NAMESPACE, stale)) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on deployments.apps "frontend": the object has been modified; please '
        "apply your changes to the latest version and try again",
    )


def test_refusals_come_as_status_objects(apps: Client) -> None:
    def patch(body: Any) -> Callable[[], Any]:
        return lambda: apps.patch_namespaced_deployment("frontend", NAMESPACE, body)

    assert refused(lambda: apps.read_namespaced_deployment("nothing", NAMESPACE)) == (
        404,
        "NotFound",
        'deployments.apps "nothing" not found',
    )
    assert refused(patch({"spec": {"replicas": -1}}))[:2] == (422, "Invalid")
    bad_quantity = {"name": "server", "resources": {"limits": {"cpu": "lots"}}}
    code, reason, message = refused(patch({"spec": {"template": {"spec": {"containers": [bad_quantity]}}}}))
    assert (code, reason) == (422, "Invalid")
    assert "quantities must match the regular expression" in message
    assert refused(patch([{"op": "test", "path": "/spec/replicas", "value": 9}]))[:2] == (422, "Invalid")
    assert refused(patch({"metadata": {"resourceVersion": "1"}}))[:2] == (409, "Conflict")
    assert refused(lambda: apps.list_namespaced_deployment(NAMESPACE, label_selector="a in b"))[0] == 400


def test_lists_come_in_pages(apps: Client, served: Served) -> None:
    names: list[str] = []
    token = None
    while True:
        page = apps.list_namespaced_deployment(NAMESPACE, limit=5, _continue=token)
        names += [each.metadata.name for each in page.items]
        token = page.metadata._continue
        if not token:
            break
        assert page.metadata.remaining_item_count == 12 - len(names)
    assert len(names) == len(set(names)) == 12
    token = apps.list_namespaced_deployment(NAMESPACE, limit=5).metadata._continue
    served.outlive_history()
    code, reason, _ = refused(lambda: apps.list_namespaced_deployment(NAMESPACE, limit=5, _continue=token))
    assert (code, reason) == (410, "Expired")


def test_a_watch_tells_changes_as_they_come(apps: Client, core: Client) -> None:
    version = core.list_namespaced_pod(NAMESPACE).metadata.resource_version
    stream = watch.Watch()
    threading.Timer(
        0.2, lambda: apps.patch_namespaced_deployment_scale("frontend", NAMESPACE, {"spec": {"replicas": 2}})
    ).start()
    told = []
    for event in stream.stream(
        core.list_namespaced_pod,
        NAMESPACE,
        label_selector="app=frontend",
        resource_version=version,
        timeout_seconds=30,
    ):
        told.append((event["type"], event["object"].status.phase))
        ready = [each for each in event["object"].status.conditions or [] if each.type == "Ready"]
        if ready and ready[0].status == "True":
            stream.stop()
    assert told[0] == ("ADDED", "Pending")
    assert told[-1] == ("MODIFIED", "Running")


def test_a_watch_from_the_forgotten_past_is_told_so(core: Client, served: Served) -> None:
    served.outlive_history()
    with pytest.raises(ApiException) as expired:
        for _ in watch.Watch().stream(
            core.list_namespaced_pod, NAMESPACE, resource_version="1", timeout_seconds=5
        ):
            pass
    assert expired.value.status == 410


def test_a_pod_is_deleted_with_grace(core: Client, served: Served) -> None:
    (pod,) = core.list_namespaced_pod(NAMESPACE, label_selector="app=adservice").items
    deleted = core.delete_namespaced_pod(pod.metadata.name, NAMESPACE)
    assert deleted.metadata.deletion_timestamp is not None
    served.settle()
    assert refused(lambda: core.read_namespaced_pod(pod.metadata.name, NAMESPACE))[0] == 404
    (successor,) = core.list_namespaced_pod(NAMESPACE, label_selector="app=adservice").items
    assert successor.metadata.name != pod.metadata.name


def test_a_dry_run_stores_nothing(apps: Client) -> None:
    answered = apps.patch_namespaced_deployment(
        "frontend", NAMESPACE, {"spec": {"replicas": 7}}, dry_run="All"
    )
    assert answered.spec.replicas == 7
    assert apps.read_namespaced_deployment("frontend", NAMESPACE).spec.replicas == 1
    code, _, message = refused(
        lambda: apps.patch_namespaced_deployment("frontend", NAMESPACE, {"spec": {}}, dry_run="Some")
    )
    assert code == 422
    assert 'dryRun: Unsupported value: "Some": supported values: "All"' in message


def test_objects_are_created_and_deleted(core: Client) -> None:
    created = core.create_namespaced_config_map(
        NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"a": "1"})
    )
    assert created.metadata.uid
    assert refused(lambda: core.create_namespaced_config_map(NAMESPACE, created))[0] == 400  # has a version
    created.metadata.resource_version = None
    assert refused(lambda: core.create_namespaced_config_map(NAMESPACE, created))[:2] == (
        409,
        "AlreadyExists",
    )
    core.delete_namespaced_config_map("settings", NAMESPACE)
    assert refused(lambda: core.read_namespaced_config_map("settings", NAMESPACE))[:2] == (404, "NotFound")


def test_leases_serve_as_locks(api_client: Client) -> None:
    coordination: Client = client.CoordinationV1Api(api_client)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=15)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="lock"), spec=spec)
    first = coordination.create_namespaced_lease(NAMESPACE, lease)
    first.spec.holder_identity = "you"
    coordination.replace_namespaced_lease("lock", NAMESPACE, first)
    assert refused(lambda: coordination.replace_namespaced_lease("lock", NAMESPACE, first))[:2] == (
        409,
        "Conflict",
    )
    assert coordination.read_namespaced_lease("lock", NAMESPACE).spec.holder_identity == "you"


def test_access_is_granted(api_client: Client) -> None:
    attributes = client.V1ResourceAttributes(namespace=NAMESPACE, verb="patch", resource="deployments")
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )
    answered: Client = client.AuthorizationV1Api(api_client).create_self_subject_access_review(review)
    assert answered.status.allowed


def test_scripted_refusals(apps: Client, served: Served) -> None:
    def patch() -> Any:
        return apps.patch_namespaced_deployment("frontend", NAMESPACE, {"spec": {"minReadySeconds": 1}})

    for code, reason in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (409, "Conflict"),
        (429, "TooManyRequests"),
    ]:
        served.faults.add(Fault(Refuse(code), method="PATCH", path="/deployments/frontend$"))
        assert refused(patch)[:2] == (code, reason)
    for code, reason in [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")]:
        served.faults.add(Fault(Refuse(code), method="PATCH"))
        assert refused(patch)[:2] == (code, reason)
    assert patch().spec.min_ready_seconds == 1  # the script is over


def test_too_many_requests_are_asked_again_later(apps: Client, served: Served) -> None:
    # the client's own retries: those of urllib3, for GET and with Retry-After only
    served.faults.add(Fault(Refuse(429, retry_after_seconds=1), method="GET", times=1))
    assert apps.read_namespaced_deployment("frontend", NAMESPACE).metadata.name == "frontend"
    assert served.faults.take("GET", "/", 0.0) is None


def test_connections_are_reset(apps: Client, served: Served) -> None:
    def patch(seconds: int) -> Any:
        return apps.patch_namespaced_deployment("frontend", NAMESPACE, {"spec": {"minReadySeconds": seconds}})

    for is_done, seconds in ((False, 3), (True, 4)):
        served.faults.add(Fault(Reset(is_done), method="PATCH"))
        with pytest.raises(ProtocolError, match=r"reset|aborted"):
            patch(seconds)
        now = apps.read_namespaced_deployment("frontend", NAMESPACE).spec.min_ready_seconds
        assert now == (seconds if is_done else None)


def test_answers_are_late(apps: Client, served: Served) -> None:
    served.faults.add(Fault(Delay(1.0), method="GET", times=None))
    with pytest.raises(HTTPError):
        apps.read_namespaced_deployment("frontend", NAMESPACE, _request_timeout=(0.2, 0.2))
    served.faults.clear()
    assert apps.read_namespaced_deployment("frontend", NAMESPACE, _request_timeout=(20, 20))
