"""The addresses of Services: each gets one, and keeps it."""

from ipaddress import IPv4Address
from itertools import count

from kpp.simulator.kubernetes.objects.resources import Json

_FIRST_ADDRESS = IPv4Address("10.96.0.10")  # minikube's range, after the API server's and the DNS's own
_FIRST_NODE_PORT = 30000


class ServiceAddresses:
    """Hands out cluster addresses and node ports, in order."""

    def __init__(self) -> None:
        self._offsets = count()
        self._node_ports = count(_FIRST_NODE_PORT)

    def assign(self, service: Json) -> None:
        """Give a new Service what it needs, in place; a headless one has no address."""
        spec = service["spec"]
        if spec["type"] == "ExternalName":
            return
        spec.setdefault("clusterIP", str(_FIRST_ADDRESS + next(self._offsets)))
        spec["clusterIPs"] = [spec["clusterIP"]]
        self._assign_node_ports(spec)

    def keep(self, service: Json, previous: Json) -> None:
        """Give a changed Service what it had, in place."""
        spec, old = service["spec"], previous["spec"]
        for field in ("clusterIP", "clusterIPs"):
            if field in old:
                spec.setdefault(field, old[field])
        node_ports = {port["port"]: port["nodePort"] for port in old.get("ports", []) if "nodePort" in port}
        for port in spec.get("ports", []):
            if port.get("port") in node_ports and spec["type"] != "ClusterIP":
                port.setdefault("nodePort", node_ports[port["port"]])
        self._assign_node_ports(spec)

    def _assign_node_ports(self, spec: Json) -> None:
        if spec["type"] in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports", []):
                if "nodePort" not in port:
                    port["nodePort"] = next(self._node_ports)
