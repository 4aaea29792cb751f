"""The custom resources: apiextensions v1, structural schemas, and the samples hold to them (conformance D25)."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from genie_core.edges.kube_resources import (
    LOGICAL_NETWORK,
    MULTI_POLICY,
    NETWORK_ATTACHMENT,
    PHYSICAL_NETWORK,
)
from tests import manifests

CRDS = Path(__file__).parent.parent.parent / "deploy" / "crds"
RESOURCES = {
    f"{resource.plural}.yaml": resource
    for resource in (LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK, MULTI_POLICY)
}
SAMPLES = [manifest for manifest in manifests.samples() if manifest["kind"] != "Pod"]


def crd(name):
    return yaml.load((CRDS / name).read_text(), Loader=yaml.CSafeLoader)


def version_of(definition):
    (version,) = definition["spec"]["versions"]
    return version


def validator(kind):
    (name,) = [name for name, resource in RESOURCES.items() if resource.kind == kind]
    return Draft7Validator(version_of(crd(name))["schema"]["openAPIV3Schema"])


def test_there_is_one_for_each_kind_that_is_read():
    assert {path.name for path in CRDS.iterdir()} == set(RESOURCES)


@pytest.mark.parametrize("name", RESOURCES)
def test_d25_what_the_api_server_demands_of_a_definition(name):
    definition, resource = crd(name), RESOURCES[name]
    spec, version = definition["spec"], version_of(definition)
    assert (definition["apiVersion"], definition["kind"]) == (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    )
    assert definition["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert spec["scope"] == "Namespaced"
    assert (spec["group"], version["name"], spec["names"]["plural"], spec["names"]["kind"]) == (
        resource.group,
        resource.version,
        resource.plural,
        resource.kind,
    )
    assert spec["names"]["singular"] == spec["names"]["singular"].lower()
    assert version["served"] is version["storage"] is True


@pytest.mark.parametrize("name", RESOURCES)
def test_d25_groups_of_kubernetes_say_that_they_are_not_approved(name):
    """KEP-2337: else the API server refuses to serve a `*.k8s.io` group."""
    definition = crd(name)
    approved = definition["metadata"].get("annotations", {}).get("api-approved.kubernetes.io", "")
    assert approved.startswith("unapproved") is definition["spec"]["group"].endswith(".k8s.io")


@pytest.mark.parametrize("name", RESOURCES)
def test_d25_schemas_are_structural(name):
    schema = version_of(crd(name))["schema"]["openAPIV3Schema"]
    Draft7Validator.check_schema(schema)

    def walk(node):
        assert "type" in node
        assert "anyOf" not in node  # of which the API server only says: Invalid value: "<nil>"
        for properties in node.get("properties", {}).values():
            walk(properties)

    walk(schema)


@pytest.mark.parametrize("name", RESOURCES)
def test_d25_printer_columns_point_at_fields(name):
    version = version_of(crd(name))
    for column in version["additionalPrinterColumns"]:
        node = version["schema"]["openAPIV3Schema"]
        parts = column["jsonPath"].removeprefix(".").split(".")
        if parts[0] == "metadata":
            continue
        for part in parts:
            node = node["properties"][part]
        assert node["type"] == column["type"]


@pytest.mark.parametrize("manifest", SAMPLES, ids=lambda manifest: manifest["metadata"]["name"])
def test_the_samples_hold_to_the_schemas(manifest):
    validator(manifest["kind"]).validate(manifest)


@pytest.mark.parametrize("manifest", SAMPLES, ids=lambda manifest: manifest["metadata"]["name"])
def test_no_field_of_a_sample_would_be_pruned(manifest):
    """What the schema does not name is dropped by the API server, silently."""

    def walk(value, schema, path):
        assert "properties" in schema, path
        for key, inner in value.items():
            assert key in schema["properties"], f"{path}.{key}"
            if isinstance(inner, dict) and key != "metadata":
                walk(inner, schema["properties"][key], f"{path}.{key}")

    walk(manifest, validator(manifest["kind"]).schema, manifest["kind"])


@pytest.mark.parametrize(
    "manifest",
    [
        manifests.logical("x", plugin=5),
        manifests.physical("x", dedicatedNet="yes"),
        manifests.physical("x", key="sharedStaus", subnet=10),
        {**manifests.nad("x"), "spec": {"config": {"type": "bridge"}}},
    ],
)
def test_a_network_that_could_not_be_attached_is_refused_at_once(manifest):
    assert not validator(manifest["kind"]).is_valid(manifest)
