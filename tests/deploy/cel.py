"""The CEL expressions of `deploy/`, in CRDs and admission policies, which the API server evaluates at each write.

cel-python evaluates the expressions. Kubernetes' own functions that they call (isCIDR, cidr, containsCIDR, masked, and
those of strings and lists) are written here, after k8s.io/apiserver/pkg/cel/library. test_admission.py asks a real API
server the same questions where there is one.
"""

import functools
import ipaddress
import re
from typing import Any

from celpy import Environment, celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError


@functools.cache
def _environment():
    """Made when the first expression is: its grammar takes 0.3 s."""
    return Environment()


def _is_cidr(text):
    """As Go's netip.ParsePrefix reads it: no netmask, no zone, no leading zeros, no IPv4 inside IPv6."""
    address, slash, length = str(text).partition("/")
    if not slash or not re.fullmatch(r"0|[1-9][0-9]*", length) or "%" in address:
        return celtypes.BoolType(False)
    try:
        found = ipaddress.ip_interface(str(text))
    except ValueError:
        return celtypes.BoolType(False)
    return celtypes.BoolType(getattr(found, "ipv4_mapped", None) is None)


def _cidr(text):
    if not _is_cidr(text):
        return CELEvalError(f"{text} is no CIDR")  # a value: `||` goes over it
    return celtypes.StringType(str(ipaddress.ip_interface(str(text))))


def _masked(cidr):
    return celtypes.StringType(str(ipaddress.ip_interface(str(cidr)).network))


def _contains_cidr(cidr, other):
    whole: Any = ipaddress.ip_network(str(cidr), strict=False)
    part = ipaddress.ip_network(str(other), strict=False)
    return celtypes.BoolType(whole.version == part.version and part.subnet_of(whole))


def _split(text, separator):
    return celtypes.ListType(celtypes.StringType(part) for part in str(text).split(str(separator)))


def _join(texts, separator):
    return celtypes.StringType(str(separator).join(map(str, texts)))


def _trim(text):
    return celtypes.StringType(str(text).strip())


FUNCTIONS: dict[str, Any] = {
    "isCIDR": _is_cidr,
    "cidr": _cidr,
    "masked": _masked,
    "containsCIDR": _contains_cidr,
    "split": _split,
    "join": _join,
    "trim": _trim,
    "dyn": lambda value: value,
}


@functools.cache
def _compiled(expression):
    return _environment().program(_environment().compile(expression), functions=FUNCTIONS)


def evaluate(expression: str, **variables: Any) -> Any:
    """The value of an expression; variables are JSON, or values of CEL."""
    known = {
        name: value if isinstance(value, (celtypes.MapType, celtypes.StringType)) else json_to_cel(value)
        for name, value in variables.items()
    }
    return _compiled(expression).evaluate(known)


def schema_problems(schema: dict[str, Any], new: Any, old: Any = None) -> list[str]:
    """The messages of the rules (x-kubernetes-validations) that a value breaks; `old` is what it replaces."""
    found = []
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" in rule["rule"]:
            if old is None:
                continue
            good = evaluate(rule["rule"], self=new, oldSelf=old)
        else:
            good = evaluate(rule["rule"], self=new)
        if not good:
            found.append(rule["message"])
    for key, inner in schema.get("properties", {}).items():
        if isinstance(new, dict) and key in new:
            found += schema_problems(inner, new[key], old.get(key) if isinstance(old, dict) else None)
    return found


def policy_problems(policy: dict[str, Any], **variables: Any) -> list[str]:
    """The messages of a ValidatingAdmissionPolicy for a request: `object`, `oldObject`, `request`, `params`."""
    spec = policy["spec"]
    if not all(
        evaluate(condition["expression"], **variables) for condition in spec.get("matchConditions", [])
    ):
        return []
    own = celtypes.MapType()
    variables["variables"] = own
    for variable in spec.get("variables", []):
        try:
            own[celtypes.StringType(variable["name"])] = evaluate(variable["expression"], **variables)
        except CELEvalError:  # as the API server does: the error is raised where the value is used
            continue
    return [
        evaluate(rule["messageExpression"], **variables) if "messageExpression" in rule else rule["message"]
        for rule in spec["validations"]
        if not evaluate(rule["expression"], **variables)
    ]
