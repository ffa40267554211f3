"""Failures of the Kubernetes client, in kpp's own words."""

import json
from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from kpp.collector.cluster.retries import find_reason, is_tls_fault
from kpp.errors import KubernetesError


@dataclass(frozen=True)
class Call:
    """One call of the API in the terms of its access rules (RBAC).

    >>> print(Call("patch", "deployments", "shop", "loadgenerator"))
    patch deployments/loadgenerator in namespace shop
    >>> Call("list", "nodes").permission_check
    'kubectl auth can-i list nodes'
    """

    verb: str
    resource: str
    namespace: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self._object}{place}"

    @property
    def permission_check(self) -> str:
        """The command that tells whether the user may do this."""
        option = f" --namespace {self.namespace}" if self.namespace else ""
        return f"kubectl auth can-i {self.verb} {self._object}{option}"

    @property
    def _object(self) -> str:
        return f"{self.resource}/{self.name}" if self.name else self.resource


def translate(error: Exception, call: Call, server: str) -> KubernetesError:
    """Say what `error` means for `call`, and how to mend it."""
    if isinstance(error, ApiException) and error.status:
        return _translate_status(error, call, server)
    if is_tls_fault(error) or isinstance(error, ApiException):
        return KubernetesError(
            f"no secure connection to {call}: {_one_line(error)}",
            where=server,
            mend="check the certificate-authority and the client certificate of the kubeconfig",
        )
    if isinstance(error, HTTPError):
        reason = find_reason(error)
        return KubernetesError(
            f"could not be reached to {call} ({type(reason).__name__}: {_one_line(reason)})",
            where=server,
            mend="check that the cluster runs and that `kubectl cluster-info` names this address",
        )
    return KubernetesError(
        f"the answer to {call} could not be read ({_one_line(error)})",
        where=server,
        mend="check that this address is a Kubernetes API server",
    )


def status_of(error: KubernetesError) -> int | None:
    """The HTTP status with which the API refused; None where there was no answer."""
    return error.__cause__.status if isinstance(error.__cause__, ApiException) else None


def is_forbidden(error: KubernetesError) -> bool:
    """Whether the API refused for want of a permission (403)."""
    return status_of(error) == 403


def is_away(error: KubernetesError) -> bool:
    """Whether the API did not answer, or not for now, and so did not refuse."""
    status = status_of(error)
    is_of_a_call = error.__cause__ is not None
    return is_of_a_call and (status is None or status == 429 or status >= 500)


def _translate_status(error: ApiException, call: Call, server: str) -> KubernetesError:
    message = _read_message(error)
    permission = f"the account needs the verb {call.verb} on {call.resource}: `{call.permission_check}`"
    match error.status:
        case 401:
            what, mend = f"did not accept the credentials to {call}", f"log in again; {permission}"
        case 403:
            what, mend = f"does not allow to {call}", permission
        case 404:
            what = f"found nothing to {call}"
            mend = "compare KPP_NAMESPACE and KPP_LOAD_GENERATOR with `kubectl get deployments -A`"
        case 409 | 410 | 429 | 500 | 502 | 503 | 504:
            what, mend = f"could not {call} for now", "try again when `kubectl get --raw /readyz` says ok"
        case _:
            what, mend = f"refused to {call}", "mend what it names, or report it"
    return KubernetesError(f"{what} (HTTP {error.status}: {message})", where=server, mend=mend)


def _read_message(error: ApiException) -> str:
    """The message of the Status object in the body; what else the body or the status line says."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    message = status.get("message") if isinstance(status, dict) else None
    return _one_line(message or body or error.reason or "no reason given")


def _one_line(text: object, longest: int = 300) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[:longest]}…"
