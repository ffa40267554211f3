"""The nodes of the simulated cluster."""

from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.quantities import canonical_quantity
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.timestamps import format_timestamp

SERVER_VERSION = "v1.32.4"


@dataclass(frozen=True)
class NodeSize:
    """A node: what it offers to pods, and where it is."""

    name: str = "minikube"
    cpu_cores: float = 8
    memory: str = "16Gi"
    ip: str = "192.168.49.2"


def node_manifest(size: NodeSize, now: float) -> Json:
    """The Node object of a healthy node; `now` in Unix seconds."""
    amounts = {
        "cpu": canonical_quantity(size.cpu_cores),
        "memory": canonical_quantity(size.memory),
        "pods": "110",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": size.name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": size.name,
                "kubernetes.io/os": "linux",
                "node-role.kubernetes.io/control-plane": "",
            },
        },
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": size.ip},
                {"type": "Hostname", "address": size.name},
            ],
            "conditions": [_condition(*each, format_timestamp(now)) for each in _CONDITIONS],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "containerd://1.7.27",
                "kernelVersion": "6.1.0",
                "kubeProxyVersion": SERVER_VERSION,
                "kubeletVersion": SERVER_VERSION,
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "kpp simulated node",
                "systemUUID": "",
            },
        },
    }


def lease_manifest(size: NodeSize, now: float) -> Json:
    """The Lease in `kube-node-lease` by which a node says that it is alive; `now` in Unix seconds."""
    moment = format_timestamp(now).replace("Z", ".000000Z")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": size.name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": size.name, "leaseDurationSeconds": 40, "renewTime": moment},
    }


_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def _condition(kind: str, status: str, reason: str, message: str, moment: str) -> Json:
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": moment,
        "lastTransitionTime": moment,
        "reason": reason,
        "message": message,
    }
