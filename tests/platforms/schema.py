"""Checks Kubernetes manifests as an API server would on their way in: structure, types and CEL rules.

Standard input: a JSON list of manifests. Standard output: for each one its faults, as a list of texts, or null where
there is no schema of its kind here.

Custom resources: the CRDs in crds/. Kinds of Kubernetes itself: the schemas inside the package kubernetes-validate, the
strict ones. A field that a schema does not name is a fault: an API server would drop it in silence.
"""

import json
import pathlib
import re
import sys
from urllib.parse import urlsplit

import cel
import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.37"
CRDS = pathlib.Path(__file__).with_name("crds")


def custom_schemas():
    schemas = {}
    for file in CRDS.glob("*.yaml"):
        for crd in yaml.safe_load_all(file.read_text()):
            spec = crd["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"] = {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    # The API server checks it by itself. What the manifests need is here.
                    "metadata": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
                        "required": ["name", "namespace"],
                    },
                    "spec": schema["properties"]["spec"],
                }
                schemas[key] = schema
    return schemas


def with_defaults(schema, value):
    """The value with the defaults of the schema, which the API server puts in before it looks at the rules."""
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if "default" in child and name not in value:
                value[name] = child["default"]
            if name in value:
                with_defaults(child, value[name])
    elif isinstance(value, list):
        for item in value:
            with_defaults(schema.get("items", {}), item)
    return value


def closed(schema):
    """The schema with unknown fields as faults, and with null where it is allowed."""
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {name: closed(child) for name, child in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = closed(schema["additionalProperties"])
    if "items" in schema:
        schema["items"] = closed(schema["items"])
    if schema.pop("nullable", False) and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def is_url(text):
    # Go's url.ParseRequestURI: a scheme, or a path from the root.
    return bool(re.match(r"^(/|[A-Za-z][A-Za-z0-9+.-]*:)", text))


FUNCTIONS = {"isURL": is_url, "schemeOf": lambda text: urlsplit(text).scheme}


def fault_of(rule, message, value, path):
    # Kubernetes' own function, which plain CEL does not have.
    text = re.sub(r"\burl\((.*?)\)\.getScheme\(\)", r"schemeOf(\1)", " ".join(rule.split()))
    context = cel.Context({"self": value})
    for name, function in FUNCTIONS.items():
        context.add_function(name, function)
    try:
        holds = cel.evaluate(text, context)
    except Exception as error:  # noqa: BLE001 A rule that cannot be evaluated rejects the manifest.
        return f"{path}: {message}: {error}"
    return None if holds is True else f"{path}: {message}"


def broken_rules(schema, value, path):
    """The CEL rules of the schema that the value breaks."""
    for rule in schema.get("x-kubernetes-validations", []):
        fault = fault_of(rule["rule"], rule.get("message", rule["rule"]), value, path)
        if fault:
            yield fault
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        for name, item in value.items():
            child = schema.get("properties", {}).get(name, extra)
            if isinstance(child, dict):
                yield from broken_rules(child, item, f"{path}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from broken_rules(schema.get("items", {}), item, f"{path}[{number}]")


def of_custom(schema, manifest):
    value = with_defaults(schema, manifest)
    validator = jsonschema.Draft202012Validator(closed(schema))
    faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    # As the API server: rules are for what has the right types.
    return faults or list(broken_rules(schema, value, "$"))


def of_core(manifest):
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{error.json_path}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError:
        return None
    return []


def main():
    schemas = custom_schemas()
    answers = []
    for manifest in json.load(sys.stdin):
        schema = schemas.get((manifest.get("apiVersion"), manifest.get("kind")))
        answers.append(of_custom(schema, manifest) if schema else of_core(manifest))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
