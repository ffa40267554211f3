"""The real kubectl against the served cluster."""

import json
import subprocess
import threading
import time

from kpp.simulator.faults import Fault, Refuse
from tests.simulator.kubernetes.conftest import Served
from tests.simulator.kubernetes.kubectl import Kubectl, kubectl_minor_version

# kubectl 1.27, that is: older ones check manifests by the server's whole OpenAPI document, which it has not
VALIDATES_ON_THE_SERVER_SINCE = 27


def columns(table: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in table.strip().splitlines()]


def variables(deployment: dict[str, object]) -> dict[str, str]:
    spec = json.loads(json.dumps(deployment))["spec"]["template"]["spec"]["containers"][0]
    return {each["name"]: each["value"] for each in spec["env"]}


def test_get_prints_the_servers_tables(kubectl: Kubectl) -> None:
    header, *rows = columns(kubectl("get", "deployments"))
    assert header == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert len(rows) == 12
    assert {tuple(row[1:4]) for row in rows} == {("1/1", "1", "1")}
    header, row = columns(kubectl("get", "pods", "-l", "app=frontend"))
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[1:4] == ["2/2", "Running", "0"]
    header, row = columns(kubectl("get", "svc", "frontend"))
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert (row[1], row[4]) == ("ClusterIP", "80/TCP")
    header, row = columns(kubectl("get", "nodes"))
    assert header == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert row[:3] == ["minikube", "Ready", "control-plane"]
    assert columns(kubectl("get", "ns", "default"))[1][:2] == ["default", "Active"]
    wide = columns(kubectl("get", "deploy", "frontend", "-o", "wide"))
    assert wide[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert (wide[1][-3], wide[1][-1]) == ("server", "app=frontend")
    everything = kubectl("get", "all", "-l", "app=frontend")
    for kind in ("pod/", "service/", "deployment.apps/", "replicaset.apps/"):
        assert f"\n{kind}frontend" in f"\n{everything}"


def test_get_as_json_and_by_other_names(kubectl: Kubectl) -> None:
    frontend = kubectl.read("get", "deploy/frontend")
    assert (frontend["kind"], frontend["apiVersion"]) == ("Deployment", "apps/v1")
    assert frontend["status"]["readyReplicas"] == 1
    assert "unavailableReplicas" not in frontend["status"]
    names = kubectl("get", "deploy", "-A", "-o", "name").split()
    assert "deployment.apps/frontend" in names
    path = "{.items[*].metadata.name}"
    assert kubectl("get", "po", "-l", "app in (frontend,none),!x", "-o", f"jsonpath={path}").startswith(
        "frontend-"
    )
    assert kubectl("get", "pods", "--field-selector", "status.phase!=Running", "-o", "name") == ""
    in_pages = kubectl("get", "deploy", "--chunk-size", "5", "-o", "name").split()
    assert len(in_pages) == 12


def test_set_env_and_rollout_status(kubectl: Kubectl) -> None:
    said = kubectl("set", "env", "deployment/loadgenerator", "-c", "main", "USERS=50", "RATE=5")
    assert said.strip() == "deployment.apps/loadgenerator env updated"
    waited = kubectl("rollout", "status", "deployment/loadgenerator", "--timeout=60s")
    assert 'deployment "loadgenerator" successfully rolled out' in waited
    deployment = kubectl.read("get", "deploy", "loadgenerator")
    assert variables(deployment) == {"FRONTEND_ADDR": "frontend:80", "USERS": "50", "RATE": "5"}
    assert deployment["metadata"]["generation"] == deployment["status"]["observedGeneration"] == 2
    kubectl("set", "env", "deployment/loadgenerator", "-c", "main", "RATE-")
    assert "RATE" not in variables(kubectl.read("get", "deploy", "loadgenerator"))


def test_rollout_status_tells_of_a_rollout_that_fails(kubectl: Kubectl, served: Served) -> None:
    served.cluster.hold_back("frontend")
    kubectl("patch", "deploy", "frontend", "-p", '{"spec": {"progressDeadlineSeconds": 1}}')
    kubectl("set", "env", "deploy/frontend", "A=1")
    assert "exceeded its progress deadline" in kubectl.refused("rollout", "status", "deploy/frontend")
    # the deadline may pass before the new sidecar is ready
    listing = ("get", "pods", "-l", "app=frontend", "--sort-by", "metadata.creationTimestamp")
    ready, give_up_at = ["2/2", "0/2"], time.monotonic() + 30
    while ready == ["2/2", "0/2"] and time.monotonic() < give_up_at:
        ready = [row[1] for row in columns(kubectl(*listing))[1:]]
    assert ready == ["2/2", "1/2"]


def test_rollout_status_by_a_watch_list(kubectl: Kubectl) -> None:
    command = kubectl.command("rollout", "status", "deploy/frontend", "--timeout=20s")
    # from kubectl 1.35 on this is what it does by itself; those before 1.32 do not know the variable
    environment = kubectl.environment() | {"KUBE_FEATURE_WatchListClient": "true"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "successfully rolled out" in finished.stdout


def test_scale(kubectl: Kubectl) -> None:
    assert kubectl("scale", "deploy", "frontend", "--replicas=3").strip() == "deployment.apps/frontend scaled"
    kubectl("rollout", "status", "deploy/frontend", "--timeout=60s")
    assert columns(kubectl("get", "deploy", "frontend"))[1][1] == "3/3"
    assert "was 3" in kubectl.refused("scale", "deploy", "frontend", "--replicas=1", "--current-replicas=2")
    kubectl("scale", "deploy", "frontend", "--replicas=1", "--current-replicas=3")
    assert kubectl.read("get", "deploy", "frontend")["spec"]["replicas"] == 1


def test_patch_in_three_ways(kubectl: Kubectl) -> None:
    def patch(kind: str, body: object) -> str:
        return kubectl("patch", "deploy", "loadgenerator", "--type", kind, "-p", json.dumps(body))

    main = {"name": "main", "env": [{"name": "USERS", "value": "70"}]}
    patch("strategic", {"spec": {"template": {"spec": {"containers": [main]}}}})
    assert variables(kubectl.read("get", "deploy", "loadgenerator"))["USERS"] == "70"
    patch("json", [{"op": "replace", "path": "/spec/template/spec/containers/0/env/1/value", "value": "80"}])
    assert variables(kubectl.read("get", "deploy", "loadgenerator"))["USERS"] == "80"
    assert "patched (no change)" in patch("merge", {"spec": {"replicas": 1}})
    patch("merge", {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "x"}]}}}})
    container = kubectl.read("get", "deploy", "loadgenerator")["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in container  # the whole list is replaced


def test_describe(kubectl: Kubectl) -> None:
    kubectl("set", "env", "deploy/frontend", "A=1")
    kubectl("rollout", "status", "deploy/frontend", "--timeout=60s")
    deployment = kubectl("describe", "deployment", "frontend")
    assert "1 desired | 1 updated | 1 total | 1 available | 0 unavailable" in deployment
    assert "25% max unavailable, 25% max surge" in deployment
    assert "Progressing    True    NewReplicaSetAvailable" in deployment
    assert "ScalingReplicaSet" in deployment
    assert "cpu:     200m" in deployment
    pod = kubectl("describe", "pods", "-l", "app=frontend")
    assert "Controlled By:  ReplicaSet/frontend-" in pod
    assert "istio-proxy:" in pod
    assert "Started container server" in pod
    (address,) = kubectl.read("get", "endpoints", "frontend")["subsets"][0]["addresses"]
    assert f"{address['ip']}:8080" in kubectl("describe", "service", "frontend")
    assert "frontend-" in kubectl("describe", "node", "minikube")


def test_a_deleted_pod_comes_back_under_another_name(kubectl: Kubectl) -> None:
    (before,) = kubectl("get", "pods", "-l", "app=adservice", "-o", "name").split()
    kubectl("delete", before)  # waits until it is gone
    kubectl("wait", "--for=condition=Available", "deploy/adservice", "--timeout=60s")
    after = kubectl("get", "pods", "-l", "app=adservice", "-o", "name").split()
    assert len(after) == 1
    assert after != [before]


def test_get_watches(kubectl: Kubectl) -> None:
    command = kubectl.command("get", "pods", "-l", "app=adservice", "-w")
    with subprocess.Popen(
        command, env=kubectl.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        giving_up = threading.Timer(60, watching.kill)
        giving_up.start()
        told = [watching.stdout.readline(), watching.stdout.readline()]
        kubectl("scale", "deploy", "adservice", "--replicas=2")
        while told[-1] and (len(told) < 4 or told[-1].split()[1:3] != ["2/2", "Running"]):
            told.append(watching.stdout.readline())
        giving_up.cancel()
        watching.kill()
    header, _, *changes = [line.split() for line in told]
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len({row[0] for row in changes}) == 1  # only the new pod changed
    states = [tuple(row[1:3]) for row in changes]
    assert states[0] == ("0/2", "Pending")
    assert states[-1] == ("2/2", "Running")


def test_what_is_refused_reads_as_ever(kubectl: Kubectl) -> None:
    assert kubectl.refused("get", "deploy", "nothing") == (
        'Error from server (NotFound): deployments.apps "nothing" not found'
    )
    assert "the server doesn't have a resource type" in kubectl.refused("get", "gadgets")
    patch = ("patch", "deploy", "frontend")
    assert kubectl.refused(*patch, "-p", '{"spec": {"replicas": -1}}') == (
        'The Deployment "frontend" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0"
    )
    operations = '[{"op": "test", "path": "/spec/replicas", "value": 9}]'
    assert kubectl.refused(*patch, "--type", "json", "-p", operations).startswith("The request is invalid")
    assert "field label not supported: spec.color" in kubectl.refused(
        "get", "pods", "--field-selector", "spec.color=red"
    )


def test_scripted_refusals(kubectl: Kubectl, served: Served) -> None:
    served.faults.add(Fault(Refuse(403), method="GET", path="/deployments/frontend$"))
    assert kubectl.refused("get", "deploy", "frontend") == (
        'Error from server (Forbidden): deployments.apps "frontend" is forbidden: User "system:anonymous" '
        'cannot get resource "deployments" in API group "apps" in the namespace "default"'
    )
    served.faults.add(Fault(Refuse(429, retry_after_seconds=1), path="/deployments/frontend$", times=1))
    kubectl("get", "deploy", "frontend")  # asks again by itself
    assert served.faults.take("GET", "/deployments/frontend", now=0.0) is None


def test_rollouts_have_a_history(kubectl: Kubectl) -> None:
    kubectl("set", "env", "deploy/frontend", "A=1")
    kubectl("rollout", "status", "deploy/frontend", "--timeout=60s")
    assert columns(kubectl("rollout", "history", "deploy/frontend"))[2:] == [["1", "<none>"], ["2", "<none>"]]
    kubectl("rollout", "undo", "deploy/frontend")
    assert "A" not in variables(kubectl.read("get", "deploy", "frontend"))
    kubectl("rollout", "restart", "deploy/frontend")
    kubectl("rollout", "status", "deploy/frontend", "--timeout=60s")
    assert columns(kubectl("rollout", "history", "deploy/frontend"))[-1][0] == "4"


def test_labels_and_dry_runs(kubectl: Kubectl) -> None:
    kubectl("label", "deploy", "frontend", "tier=web")
    kubectl("scale", "deploy", "frontend", "--replicas=9", "--dry-run=client")
    frontend = kubectl.read("get", "deploy", "frontend")
    assert frontend["metadata"]["labels"] == {"app": "frontend", "tier": "web"}
    assert (frontend["metadata"]["generation"], frontend["spec"]["replicas"]) == (1, 1)
    assert kubectl("auth", "can-i", "patch", "deployments").strip() == "yes"


def test_apply(kubectl: Kubectl) -> None:
    def apply(manifest: object, *options: str) -> str:
        return kubectl("apply", "-f", "-", *options, stdin=json.dumps(manifest))

    container = {"name": "server", "image": "nginx:1", "resources": {"limits": {"cpu": "500m"}}}
    template = {"metadata": {"labels": {"app": "hello"}}, "spec": {"containers": [container]}}
    hello = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hello"},
        "spec": {"selector": {"matchLabels": {"app": "hello"}}, "template": template},
    }
    options = []
    if kubectl_minor_version() >= VALIDATES_ON_THE_SERVER_SINCE:
        assert "created (server dry run)" in apply(hello, "--dry-run=server")
        assert "not found" in kubectl.refused("get", "deploy", "hello")
    else:
        options = ["--validate=false"]
    assert "created" in apply(hello, *options)
    assert "unchanged" in apply(hello, *options)
    container["image"] = "nginx:2"
    assert "configured" in apply(hello, *options)
    applied = kubectl.read("get", "deploy", "hello")["spec"]["template"]["spec"]["containers"][0]
    assert applied["image"] == "nginx:2"
    kubectl("delete", "deploy", "hello")
    kubectl("wait", "--for=delete", "pods", "-l", "app=hello", "--timeout=60s")
    assert kubectl("get", "rs,pods", "-l", "app=hello", "-o", "name") == ""


def test_leases_are_shown_with_their_holders_and_can_be_freed(kubectl: Kubectl) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "me", "renewTime": "2026-03-01T23:59:59.000000Z"},
    }
    kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(lease))
    header, row = columns(kubectl("get", "leases"))
    assert header == ["NAME", "HOLDER", "AGE"]
    assert row[:2] == ["lock", "me"]
    kubectl("patch", "lease", "lock", "--type", "merge", "--patch", '{"spec": {"holderIdentity": "you"}}')
    assert kubectl.read("get", "lease", "lock")["spec"]["holderIdentity"] == "you"
    wrong = '{"spec": {"renewTime": "2026-03-01T23:59:59Z"}}'
    assert "parsing time" in kubectl.refused("patch", "lease", "lock", "--type", "merge", "--patch", wrong)
    kubectl("delete", "lease", "lock")
    assert "not found" in kubectl.refused("get", "lease", "lock")
