"""The kubectl commands that findings name, with the campaign's context and namespace."""

import shlex

from kpp.collector.config import Config

RBAC_MANIFEST, OPTIONAL_RBAC_MANIFEST = "deploy/rbac.yaml", "deploy/rbac-optional.yaml"


def kubectl(config: Config, *words: str, namespaced: bool = True) -> str:
    """A command that can be pasted into a shell.

    >>> kubectl(Config(namespace="shop"), "get", "pods")
    'kubectl get pods --namespace shop'
    """
    command = ["kubectl", *words]
    command += ["--namespace", config.namespace] if namespaced else []
    command += ["--context", config.kube_context] if config.kube_context else []
    return shlex.join(command)
