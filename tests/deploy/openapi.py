"""Manifests held to Kubernetes' OpenAPI schemas, as the official client has them: its models are generated from them.

Stricter than the API server: a field that it would drop is a problem here.
"""

import re

from kubernetes import client

_PLAIN: dict = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object}


def problems(document):
    """What is wrong with a manifest: one line each, beginning with the place."""
    version, kind = document["apiVersion"].rpartition("/")[2], document["kind"]
    return list(_check(document, f"{version.capitalize()}{kind}", kind))


def _check(value, type_, where):
    if found := re.fullmatch(r"List\[(.+)\]", type_):
        if not isinstance(value, list):
            yield f"{where}: no list"
            return
        for number, item in enumerate(value):
            yield from _check(item, found[1], f"{where}[{number}]")
    elif found := re.fullmatch(r"Dict\[str, (.+)\]", type_):
        for key, item in value.items():
            yield from _check(item, found[1], f"{where}.{key}")
    elif type_ in _PLAIN or type_ == "datetime":
        if not isinstance(value, _PLAIN.get(type_, str)) or (isinstance(value, bool) and type_ == "int"):
            yield f"{where}: {value!r} is no {type_}"
    else:
        yield from _check_model(value, getattr(client, type_), where)


def _check_model(value, model, where):
    if not isinstance(value, dict):
        yield f"{where}: no {model.__name__}"
        return
    attributes = {key: attribute for attribute, key in model.attribute_map.items()}
    for key in value.keys() - attributes.keys():
        yield f"{where}: {model.__name__} has no {key}"
    known = {attributes[key]: item for key, item in value.items() if key in attributes}
    try:
        model(**known)
    except ValueError as error:
        yield f"{where}: {error}"
    for attribute, item in known.items():
        yield from _check(item, model.openapi_types[attribute], f"{where}.{model.attribute_map[attribute]}")
