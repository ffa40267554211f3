"""Online Boutique as microservices-demo v0.10.6 deploys it: eleven workloads and the load generator."""

from kpp.simulator.kubernetes.manifests import LoadGenerator, Workload

_REGISTRY = "us-central1-docker.pkg.dev/google-samples/microservices-demo"
_TAG = "v0.10.6"


def _microservice(
    name: str,
    port: int,
    target_port: int | None = None,
    cpu: tuple[float, float] = (0.1, 0.2),
    memory: tuple[str, str] = ("64Mi", "128Mi"),
    probe_delay_seconds: int = 0,
) -> Workload:
    return Workload(
        name,
        f"{_REGISTRY}/{name}:{_TAG}",
        port=port,
        target_port=target_port,
        cpu_request_cores=cpu[0],
        cpu_limit_cores=cpu[1],
        memory_request=memory[0],
        memory_limit=memory[1],
        probe="grpc",
        probe_delay_seconds=probe_delay_seconds,
    )


WORKLOADS = (
    Workload(
        "frontend",
        f"{_REGISTRY}/frontend:{_TAG}",
        port=80,
        target_port=8080,
        port_name="http",
        environment={
            "PRODUCT_CATALOG_SERVICE_ADDR": "productcatalogservice:3550",
            "CURRENCY_SERVICE_ADDR": "currencyservice:7000",
            "CART_SERVICE_ADDR": "cartservice:7070",
            "RECOMMENDATION_SERVICE_ADDR": "recommendationservice:8080",
            "SHIPPING_SERVICE_ADDR": "shippingservice:50051",
            "CHECKOUT_SERVICE_ADDR": "checkoutservice:5050",
            "AD_SERVICE_ADDR": "adservice:9555",
            "SHOPPING_ASSISTANT_SERVICE_ADDR": "shoppingassistantservice:80",
            "ENABLE_PROFILER": "0",
        },
        cpu_request_cores=0.1,
        cpu_limit_cores=0.2,
        memory_request="64Mi",
        memory_limit="128Mi",
        probe="http",
        probe_delay_seconds=10,
    ),
    _microservice("productcatalogservice", 3550),
    _microservice("currencyservice", 7000),
    _microservice("cartservice", 7070, cpu=(0.2, 0.3), probe_delay_seconds=15),
    _microservice("recommendationservice", 8080, memory=("220Mi", "450Mi")),
    _microservice("adservice", 9555, cpu=(0.2, 0.3), memory=("180Mi", "300Mi"), probe_delay_seconds=20),
    _microservice("shippingservice", 50051),
    _microservice("checkoutservice", 5050),
    _microservice("paymentservice", 50051),
    _microservice("emailservice", 5000, 8080),
    Workload(
        "redis-cart",
        "redis:alpine",
        container="redis",
        port=6379,
        port_name="tcp-redis",
        cpu_request_cores=0.07,
        cpu_limit_cores=0.125,
        memory_request="200Mi",
        memory_limit="256Mi",
        probe="tcp",
        service_account="default",
    ),
)
LOAD_GENERATOR = LoadGenerator(f"{_REGISTRY}/loadgenerator:{_TAG}")
