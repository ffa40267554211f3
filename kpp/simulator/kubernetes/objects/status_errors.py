"""The errors of a Kubernetes API server, with the codes, reasons and words that its clients know.

Source of the words: k8s.io/apimachinery `pkg/api/errors/errors.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kpp.simulator.kubernetes.objects.resources import Json, Resource


class StatusError(Exception):
    """A request that the API server refuses: what becomes the Status object of its answer.

    It is no `KppError`: nobody sees it but the clients of the simulated cluster.
    """

    def __init__(
        self, code: int, reason: str, message: str, details: Json | None = None, metadata: Json | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def as_status(self) -> Json:
        """The Status object. Fields without a value are left out, as the API does."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


@dataclass(frozen=True)
class FieldFault:
    """One wrong field of an object; `reason` is one of the API's `FieldValue…` causes."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def invalid_value(field: str, value: object, problem: str) -> FieldFault:
    """The field has a value that is not allowed."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return FieldFault(field, f"Invalid value: {shown}: {problem}")


def required(field: str, problem: str = "") -> FieldFault:
    """The field has no value and needs one."""
    return FieldFault(field, f"Required value: {problem}".removesuffix(": "), "FieldValueRequired")


def duplicate(field: str, value: str) -> FieldFault:
    """The field repeats a value that has to be unique."""
    return FieldFault(field, f'Duplicate value: "{value}"', "FieldValueDuplicate")


def not_supported(field: str, value: object, supported: Sequence[str]) -> FieldFault:
    """The field has a value outside of an enumeration."""
    choices = ", ".join(f'"{choice}"' for choice in supported)
    return FieldFault(
        field, f'Unsupported value: "{value}": supported values: {choices}', "FieldValueNotSupported"
    )


def forbidden_field(field: str, problem: str) -> FieldFault:
    """The field may not be set or changed."""
    return FieldFault(field, f"Forbidden: {problem}", "FieldValueForbidden")


def invalid(kind: str, group: str, name: str, faults: Sequence[FieldFault]) -> StatusError:
    """422: the object is well formed and says something that is not allowed."""
    texts = [f"{fault.field}: {fault.message}" for fault in faults]
    described = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": fault.reason, "message": fault.message, "field": fault.field} for fault in faults]
    details = _named({"name": name, "group": group, "kind": kind}) | {"causes": causes}
    qualified = f"{kind}.{group}" if group else kind
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {described}', details)


def invalid_object(resource: Resource, name: str, faults: Sequence[FieldFault]) -> StatusError:
    """422 for an object of a known kind."""
    return invalid(resource.kind, resource.group, name, faults)


def unprocessable() -> StatusError:
    """422: a patch that cannot be applied to this object."""
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message, {})


def bad_request(message: str) -> StatusError:
    """400: the request makes no sense."""
    return StatusError(400, "BadRequest", message)


def not_found(resource: Resource, name: str) -> StatusError:
    """404: no such object."""
    return StatusError(
        404, "NotFound", f'{resource.qualified_plural} "{name}" not found', _details(resource, name)
    )


def already_exists(resource: Resource, name: str) -> StatusError:
    """409: the name is taken."""
    message = f'{resource.qualified_plural} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, problem: str | None = None) -> StatusError:
    """409: the request was made for another state of the object than the present one."""
    problem = problem or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource.qualified_plural} "{name}": {problem}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def method_not_allowed() -> StatusError:
    """405: the path exists and does not take this verb."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def not_acceptable(accepted: Sequence[str]) -> StatusError:
    """406: the client takes no answer that the server could give."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    """415: the body comes in a form that the server does not read."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    return StatusError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def expired_version(asked: int, oldest: int) -> StatusError:
    """410: the watch's starting point is no longer in the history."""
    return StatusError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def expired_continue(token: str) -> StatusError:
    """410: the list's snapshot is no longer in the history; `token` goes on with the present state."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of the results. Continuing with the provided token results in an inconsistent list - "
        "objects that were created, modified, or deleted between the time the first chunk was returned and "
        "now may show up in the list."
    )
    return StatusError(410, "Expired", message, metadata={"continue": token})


def too_large_version(asked: int, current: int) -> StatusError:
    """504: the client has seen a later state than the server has."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _details(resource: Resource, name: str) -> Json:
    return _named({"name": name, "group": resource.group, "kind": resource.plural})


def _named(details: Json) -> Json:
    return {key: value for key, value in details.items() if value}
