"""`Status` documents, worded as the API server words them (apimachinery, pkg/api/errors)."""

from typing import Any


class Refusal(Exception):
    """A request that is answered with a Status. `headers` go with it."""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None, **headers: str
    ):
        super().__init__(message)
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.document: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": code,
        }


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, plural: str, group: str, namespace: str, name: str) -> Refusal:
    subject = (
        f'{_qualified(plural, group)} "{name}" is forbidden'
        if name
        else f"{_qualified(plural, group)} is forbidden"
    )
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = f'{subject}: User "{user}" cannot {verb} resource "{plural}" in API group "{group}" {scope}'
    return Refusal(403, "Forbidden", message, _details(plural, group, name))


def not_found(plural: str, group: str, name: str) -> Refusal:
    message = f'{_qualified(plural, group)} "{name}" not found'
    return Refusal(404, "NotFound", message, _details(plural, group, name))


def conflict(plural: str, group: str, name: str, problem: str) -> Refusal:
    message = f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {problem}'
    return Refusal(409, "Conflict", message, _details(plural, group, name))


def already_exists(plural: str, group: str, name: str) -> Refusal:
    message = f'{_qualified(plural, group)} "{name}" already exists'
    return Refusal(409, "AlreadyExists", message, _details(plural, group, name))


def invalid(kind: str, name: str, field: str, problem: str) -> Refusal:
    cause = {"reason": "FieldValueInvalid", "message": problem, "field": field}
    details = {"name": name, "kind": kind, "causes": [cause]}
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {problem}', details)


def bad_request(problem: str) -> Refusal:
    return Refusal(400, "BadRequest", problem)


def unsupported_media_type(got: str) -> Refusal:
    accepted = "accepted media types include: application/merge-patch+json"
    problem = f"the body of the request was in an unknown format - {accepted} ({got})"
    return Refusal(415, "UnsupportedMediaType", problem)


def expired() -> Refusal:
    problem = "The provided continue parameter is too old to display a consistent list result."
    return Refusal(410, "Expired", problem)


def too_old(version: int, oldest: int) -> Refusal:
    """Of a watch."""
    return Refusal(410, "Expired", f"too old resource version: {version} ({oldest})")


def of_code(code: int, retry_after: int | None = None) -> Refusal:
    """A refusal that does not depend on the request."""
    known = {
        401: ("Unauthorized", "Unauthorized"),
        403: ("Forbidden", "forbidden: not allowed"),
        409: (
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        410: ("Expired", "The resourceVersion for the provided list is too old."),
        429: (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
        503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504: ("Timeout", "the server was unable to return a response in the time allotted"),
    }
    reason, message = known.get(code, ("", f"an error of code {code}"))
    if retry_after is None:
        return Refusal(code, reason, message)
    return Refusal(code, reason, message, {"retryAfterSeconds": retry_after}, Retry_After=str(retry_after))


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}
