"""Every check against a simulated cluster, over HTTP: all well, and one thing wrong at a time."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpp.collector.campaign.plan import Level
from kpp.collector.config import Config
from kpp.collector.preflight.findings import Outcome
from kpp.collector.preflight.permissions import Permission, needed_permissions
from kpp.collector.profiles.reading import SHIPPED_FOLDER
from kpp.simulator.kubernetes.api.access import read_rules
from kpp.simulator.kubernetes.objects.resources import NAMESPACES, Json
from kpp.simulator.metrics.pod_cgroups import Runtime
from tests.collector.preflight.checked_worlds import OtherClock, check, everything_but, the_only
from tests.deploy.manifests import read
from tests.end_to_end.campaigns import World, serve_world
from tests.simulator.kubernetes.kubectl import Kubectl
from tests.simulator.simulations import patch_deployment, run_for, simulate, three_tier

NEEDED = needed_permissions(Config())


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests that change nothing but the settings; at work for more than two minutes before."""
    simulation = simulate(three_tier())
    run_for(simulation, 30)
    with serve_world(simulation, tmp_path_factory.mktemp("untouched")) as world:
        yield world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve_world(simulate(three_tier()), tmp_path) as serving:
        yield serving


def test_where_all_is_well_every_check_passes(untouched: World) -> None:
    report = check(untouched)
    assert {each.outcome for each in report.findings} == {Outcome.PASS}
    assert {each.check for each in report.findings} == {
        "Kubernetes",
        "permissions",
        "load generator",
        "services",
        "sidecars",
        "autoscalers",
        "Prometheus",
        "metrics",
        "rate window",
        "clock",
        "disk",
    }
    assert not (untouched.folder / "out").exists()


def test_a_check_changes_nothing(world: World) -> None:
    check(world)
    assert {asked.verb for asked in world.served.access.asked} == {"get", "list"}


@pytest.mark.parametrize("needed", NEEDED, ids=str)
def test_a_permission_that_is_denied_is_named_with_its_mend(world: World, needed: Permission) -> None:
    world.served.access.grant_only(everything_but(needed.verb, needed.resource))
    report = check(world)
    outcome = Outcome.WARN if needed.is_optional else Outcome.FAIL
    finding = the_only(report, outcome, lambda each: each.check == "permissions")
    assert finding.text.startswith(f"may not {needed}, to ")
    assert needed.manifest in finding.mend
    answer = Kubectl(world.folder / "kubeconfig", world.folder).run(*finding.command.split()[1:])
    assert answer.stdout.strip() == "no"
    assert bool(report.failed) is not needed.is_optional
    assert not [each for each in report.findings if each.text.startswith("CPU")], (
        "pods are not known, not bare"
    )


def test_a_campaign_that_scales_services_needs_more(world: World) -> None:
    levels = [Level(10, {"api": 3})]
    world.served.access.grant_only(read_rules(read("rbac.yaml")))
    found = [each for each in check(world, None, levels).failed if each.check == "permissions"]
    assert [each.text for each in found] == [
        f"may not {verb} deployments/api in namespace default, to scale it" for verb in ("get", "patch")
    ]
    assert all("deploy/rbac-optional.yaml" in each.mend for each in found)
    world.served.access.grant_only(read_rules([*read("rbac.yaml"), *read("rbac-optional.yaml")]))
    assert not check(world, None, levels).warned


def test_a_campaign_that_scales_what_is_no_service(untouched: World) -> None:
    finding = the_only(check(untouched, None, [Level(10, {"nobody": 3})]), Outcome.FAIL)
    assert finding.text == "the campaign scales nobody, which is no service here"


def test_there_is_no_such_load_generator(untouched: World) -> None:
    report = check(untouched, load_generator="load-generator")
    finding = the_only(report, Outcome.FAIL, lambda each: each.check == "load generator")
    assert finding.text == "there is no Deployment load-generator in namespace default"
    assert finding.mend == "name it with KPP_LOAD_GENERATOR, perhaps loadgenerator, one of these:"
    assert not [each for each in report.findings if "kubectl scale" in each.command]
    assert "loadgenerator" in Kubectl(untouched.folder / "kubeconfig", untouched.folder)(
        *finding.command.split()[1:]
    )


def test_the_load_generator_has_no_variable(untouched: World) -> None:
    finding = the_only(
        check(untouched, load_generator="web"), Outcome.FAIL, lambda each: each.check == "load generator"
    )
    assert finding.text == "no container of server has the variable USERS"


def test_a_service_without_sidecar(world: World) -> None:
    def opt_out(spec: Json) -> None:
        template = spec["template"]
        labels = {**template["metadata"]["labels"], "sidecar.istio.io/inject": "false"}
        spec["template"] = {**template, "metadata": {**template["metadata"], "labels": labels}}

    patch_deployment(world.simulation, "api", opt_out)
    run_for(world.simulation, 60)
    finding = the_only(check(world), Outcome.FAIL, lambda each: each.check == "sidecars")
    assert finding.text == "pods without istio-proxy, so without request metrics: api"
    assert finding.command.endswith("kubectl rollout restart deployment/api --namespace default")


def test_the_command_brings_the_sidecars_back(world: World) -> None:
    kubectl = Kubectl(world.folder / "kubeconfig", world.folder)
    kubectl("label", "namespace", "default", "istio-injection-")
    kubectl("delete", "pods", "--selector", "app in (web, api)", "--wait=false")
    run_for(world.simulation, 60)
    finding = the_only(check(world), Outcome.FAIL, lambda each: each.check == "sidecars")
    for command in finding.command.split(" && "):
        kubectl(*command.split()[1:])
    run_for(world.simulation, 360)
    namespace = world.simulation.kubernetes.store.get(NAMESPACES, "default")
    assert namespace["metadata"]["labels"]["istio-injection"] == "enabled"
    assert not check(world).failed


def autoscaler(deployment: str, **spec: object) -> str:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "auto"}}
    return json.dumps({**kind, "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec}})


@pytest.mark.parametrize("deployment", ["web", "loadgenerator"])
def test_an_autoscaler_is_paused_by_the_command_that_is_named(world: World, deployment: str) -> None:
    kubectl = Kubectl(world.folder / "kubeconfig", world.folder)
    kubectl("apply", "-f", "-", stdin=autoscaler(deployment))

    finding = the_only(check(world), Outcome.WARN)

    assert finding.text == (
        f"HorizontalPodAutoscaler auto (replicas 1 to 5) would change {deployment} while it is measured"
    )
    kubectl(*shlex.split(finding.command)[1:])
    assert not check(world).warned


def test_an_autoscaler_on_what_is_scaled_is_told_by_its_bounds(world: World) -> None:
    kubectl = Kubectl(world.folder / "kubeconfig", world.folder)
    kubectl("apply", "-f", "-", stdin=autoscaler("web", minReplicas=2, maxReplicas=2))
    assert not check(world, levels=[Level(10, {"api": 3}), Level(10, {"web": 2})]).warned

    finding = the_only(check(world, levels=[Level(10, {"web": 2}), Level(10, {"web": 3})]), Outcome.WARN)

    assert finding.text.endswith("(replicas 2 to 2) would undo what the campaign makes of web")


def test_autoscalers_of_what_is_not_measured_are_let_be(world: World) -> None:
    kubectl = Kubectl(world.folder / "kubeconfig", world.folder)
    kubectl("apply", "-f", "-", stdin=autoscaler("database"))
    kubectl("apply", "-f", "-", stdin=autoscaler("web").replace('"Deployment"', '"StatefulSet"'))
    assert not check(world).warned


def test_a_service_without_pods(world: World) -> None:
    Kubectl(world.folder / "kubeconfig", world.folder)("scale", "deployment/api", "--replicas=0")
    run_for(world.simulation, 30)
    finding = the_only(check(world), Outcome.FAIL, lambda each: each.check == "sidecars")
    assert finding.text == "no running pod: api"


def test_a_service_that_has_no_requests(untouched: World) -> None:
    finding = the_only(check(untouched, excluded_services=()), Outcome.FAIL)
    assert finding.text.startswith("throughput, response time: nothing of database")
    assert "--excluded-services database" in finding.mend


def test_while_the_load_is_off_what_is_missing_is_a_warning(world: World) -> None:
    kubectl = Kubectl(world.folder / "kubeconfig", world.folder)
    kubectl("scale", "deployment/loadgenerator", "--replicas=0")
    run_for(world.simulation, 30)
    report = check(world, excluded_services=())
    assert not report.failed
    (finding, *_) = report.warned
    assert "but the load is off" in finding.text
    kubectl(*finding.command.split()[1:])
    run_for(world.simulation, 120)
    assert not check(world).warned


def test_a_prometheus_without_the_metrics(tmp_path: Path) -> None:
    simulation = simulate(three_tier(), retention_seconds=30.0)
    simulation.set_scraping(False)
    with serve_world(simulation, tmp_path) as world:
        run_for(simulation, 600)
        report = check(world)
    texts = [each.text for each in report.failed]
    assert "throughput: Prometheus has no istio_requests_total" in texts
    assert "response time: Prometheus has no istio_request_duration_milliseconds_sum" in texts
    assert "CPU by container: Prometheus has no container_cpu_usage_seconds_total" in texts


def test_a_namespace_without_services_is_told_once(untouched: World) -> None:
    report = check(untouched, namespace="shop")
    assert [each.check for each in report.failed] == ["services", "load generator"]
    assert not report.warned
    assert report.failed[1].command == "kubectl get deployments --all-namespaces"


def test_another_namespace_has_neither_services_nor_values(untouched: World) -> None:
    report = check(untouched, namespace="kube-public")
    assert any("is a service to measure" in each.text for each in report.failed)


def test_a_runtime_that_labels_only_pods_is_well_too(tmp_path: Path) -> None:
    with serve_world(simulate(three_tier(), runtime=Runtime.CRI_DOCKERD), tmp_path) as world:
        report = check(world)
    assert not report.failed
    assert any("CPU by pod" in each.text for each in report.findings)


@pytest.mark.parametrize(
    ("scrape_seconds", "of_requests", "of_cpu"),
    [
        (15, Outcome.PASS, Outcome.PASS),
        (21, Outcome.WARN, Outcome.PASS),
        (60, Outcome.FAIL, Outcome.WARN),
        (90, Outcome.FAIL, Outcome.FAIL),
    ],
)
def test_the_rate_windows_have_to_hold_four_scrapes(
    tmp_path: Path, scrape_seconds: float, of_requests: Outcome, of_cpu: Outcome
) -> None:
    """Of 60 and 120 s; the commands that mend it do."""
    simulation = simulate(three_tier(), scrape_seconds=scrape_seconds)
    run_for(simulation, 900)
    with serve_world(simulation, tmp_path) as world:
        found = [each for each in check(world).findings if each.check == "rate window"]
        assert [each.outcome for each in found] == [of_requests, of_cpu]
        told = [float(each.text.split("at most ")[1].split()[0]) for each in found]
        assert told == pytest.approx([scrape_seconds] * 2, rel=0.2)
        settings: dict[str, object] = {}
        for finding in found:
            words = finding.command.removeprefix("kpp collect").split()
            options = (word.strip("-").replace("-", "_") for word in words[::2])
            settings |= dict(zip(options, map(int, words[1::2]), strict=True))
        mended = check(world, None, None, **settings)
    assert not mended.failed
    assert not mended.warned


@pytest.mark.parametrize(("ahead", "outcome"), [(-5, Outcome.WARN), (20, Outcome.FAIL), (-200, Outcome.FAIL)])
def test_a_clock_that_is_wrong(untouched: World, ahead: float, outcome: Outcome) -> None:
    report = check(untouched, OtherClock(untouched.pace, ahead))
    found = [each for each in report.findings if each.check == "clock"]
    assert [each.outcome for each in found] == [outcome, outcome]
    direction = "behind" if ahead > 0 else "ahead"
    assert found[1].text == f"Prometheus is {abs(ahead):.1f} s {direction} (± 0.0 s)"
    assert found[0].text.startswith("the API server is")
    assert direction in found[0].text


def test_a_prometheus_that_cannot_be_reached_stops_no_other_check(untouched: World) -> None:
    report = check(untouched, prometheus_url="http://127.0.0.1:1")
    assert [each.check for each in report.failed] == ["Prometheus"]
    assert {"permissions", "sidecars", "disk"} <= {each.check for each in report.findings}
    assert len(report.unreachable) == 1


def test_a_cluster_that_cannot_be_reached_stops_no_other_check(world: World) -> None:
    path = world.folder / "kubeconfig"
    path.write_text(path.read_text().replace(world.served.kubernetes_url, "http://127.0.0.1:1"))
    report = check(world)
    assert [each.check for each in report.failed] == ["Kubernetes"]
    assert {"Prometheus", "rate window", "disk"} <= {each.check for each in report.findings}


def test_a_profile_of_ones_own_is_checked_too(untouched: World) -> None:
    """Its throughput names no metric with matchers, and its workloads have no sidecar to be looked for."""
    profile = untouched.folder / "own.toml"
    text = (SHIPPED_FOLDER / "istio-sidecar.toml").read_text(encoding="utf-8")
    start, end = text.index("throughput = '''"), text.index("# mean in seconds")
    own = "throughput = 'sum by (destination_workload) (rate(istio_requests_total[$window]))'\n\n"
    profile.write_text(text[:start] + own + text[end:], encoding="utf-8")
    report = check(untouched, profile=str(profile))
    assert not report.failed
    assert [each.text.split(":")[0] for each in report.findings if each.check == "rate window"] == [
        "container_cpu_usage_seconds_total"
    ]


def test_a_mesh_that_is_not_there_is_told_by_its_labels(untouched: World) -> None:
    report = check(untouched, profile="istio-ambient")
    assert "throughput, response time: no values in namespace default" in {
        each.text for each in report.failed
    }
