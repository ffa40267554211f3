"""The kubeconfig with which kubectl and client libraries find the simulated cluster."""

from pathlib import Path

import yaml

NAME = "kpp-simulated"  # of the context, the cluster and the user


def write_kubeconfig(path: Path, server: str, namespace: str = "default") -> None:
    """Write a kubeconfig whose only context is `NAME`.

    Args:
        path: the file; an existing one is overwritten.
        server: the API server's address, as in `http://127.0.0.1:8001`.
        namespace: the one that commands without `--namespace` work in.
    """
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server}}],
        "users": [{"name": NAME, "user": {}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": namespace}}],
        "current-context": NAME,
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
