"""With which credentials the Kubernetes API is asked, and by what connection."""

import copy
import logging

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from kpp import __version__
from kpp.errors import KubernetesError

logger = logging.getLogger(__name__)


def connect(context: str | None) -> ApiClient:
    """Take the credentials from the kubeconfig, else those of the pod that kpp runs in.

    Args:
        context: a context of the kubeconfig; None is its current one.

    Raises:
        KubernetesError: there is no usable kubeconfig, and this is no pod.
    """
    configuration = Configuration()
    try:
        load_kube_config(context=context, client_configuration=configuration)
    except Exception as error:  # a malformed file breaks the loader in many ways
        if context is None and _load_pod_credentials(configuration):
            logger.info("no usable kubeconfig (%s): taking the pod's service account", error)
        else:
            reason = str(error) if isinstance(error, ConfigException) else f"{type(error).__name__}: {error}"
            raise KubernetesError(
                f"{'' if context is None else f'context {context}: '}{' '.join(reason.split()).rstrip('.')}",
                where="kubeconfig",
                mend="set KUBECONFIG to a file that `kubectl config get-contexts` can read, "
                "and KPP_KUBE_CONTEXT to one of its contexts",
            ) from error
    return ApiClient(configuration)


def _load_pod_credentials(configuration: Configuration) -> bool:
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException:
        return False
    return True


def with_one_layer_of_retries(api_client: ApiClient) -> ApiClient:
    """The same client without urllib3's retries: they would multiply with ours and sleep past the clock."""
    configuration = copy.copy(api_client.configuration)
    configuration.retries = urllib3.Retry(0)
    client = ApiClient(configuration, cookie=api_client.cookie)
    client.default_headers.update(api_client.default_headers)
    client.user_agent = f"kpp/{__version__}"
    return client
