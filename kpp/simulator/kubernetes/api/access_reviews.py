"""SelfSubjectAccessReviews, as JSON and in the binary form in which kubectl sends them.

The binary form is that of k8s.io/api `authorization/v1/generated.proto` inside the `runtime.Unknown` of
k8s.io/apimachinery, behind four bytes that say so. All that matters in it are texts and nested messages.
"""

from collections.abc import Iterator

from kpp.simulator.kubernetes.api.access import AccessControl, Attributes
from kpp.simulator.kubernetes.api.requests import ApiRequest
from kpp.simulator.kubernetes.objects.resources import Json
from kpp.simulator.kubernetes.objects.status_errors import (
    StatusError,
    bad_request,
    invalid_object,
    invalid_value,
    method_not_allowed,
)

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_RAW, _SPEC, _RESOURCE, _PATH = 2, 2, 1, 2  # field numbers: Unknown.raw, review.spec, and the two in the spec
_RESOURCE_FIELDS = {
    1: "namespace",
    2: "verb",
    3: "group",
    4: "version",
    5: "resource",
    6: "subresource",
    7: "name",
}
_PATH_FIELDS = {1: "path", 2: "verb"}
_VARINT, _TEXT = 0, 2  # wire types


def answer_review(request: ApiRequest, access: AccessControl) -> tuple[int, Json]:
    """Answer a review: whether the user may do what it describes.

    Raises:
        StatusError: 400, it is no review; 405, it is not posted; 422, it asks for nothing, or for two things.
    """
    resource = request.target.resource
    if request.method != "POST" or request.target.name is not None:
        raise method_not_allowed()
    spec = _read_spec(request)
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (asked is None) == (path is None):
        problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid_object(resource, "", [invalid_value("spec.resourceAttributes", "null", problem)])
    # paths such as /healthz are open to everybody, as discovery is on a real cluster
    allowed = asked is None or access.allows(_attributes(asked))
    return 201, {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed},
    }


def _attributes(asked: Json) -> Attributes:
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Attributes(**{name: asked.get(name) or "" for name in names})


def _read_spec(request: ApiRequest) -> Json:
    if request.content_type != PROTOBUF:
        spec = request.read_object().get("spec")
        return spec if isinstance(spec, dict) else {}
    try:
        return read_binary_spec(request.body)
    except (ValueError, IndexError) as error:
        raise _undecodable(str(error)) from error


def read_binary_spec(body: bytes) -> Json:
    """The `spec` of a review in its binary form, as the JSON form has it.

    Raises:
        ValueError, IndexError: it is not in that form.
    """
    if not body.startswith(_MAGIC):
        raise ValueError("it does not begin as protobuf of Kubernetes does")
    review = dict(_fields(dict(_fields(body[len(_MAGIC) :])).get(_RAW, b"")))
    spec = dict(_fields(review.get(_SPEC, b"")))
    parts = {
        "resourceAttributes": (_RESOURCE, _RESOURCE_FIELDS),
        "nonResourceAttributes": (_PATH, _PATH_FIELDS),
    }
    return {name: _texts(spec[number], names) for name, (number, names) in parts.items() if number in spec}


def _texts(message: bytes, names: dict[int, str]) -> Json:
    return {
        names[number]: content.decode() for number, content in _fields(message) if number in names and content
    }


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; whole numbers between them are skipped."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        if tag & 7 == _VARINT:
            _, place = _varint(message, place)
        elif tag & 7 == _TEXT:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise ValueError("unexpected EOF")
            yield tag >> 3, message[place : place + length]
            place += length
        else:
            raise ValueError(f"illegal wireType {tag & 7}")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place


def _undecodable(problem: str) -> StatusError:
    return bad_request(
        f"the object provided is unrecognized (must be of type SelfSubjectAccessReview): {problem}"
    )
