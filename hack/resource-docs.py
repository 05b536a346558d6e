#!/usr/bin/python3
"""Prints the reference of every field of the resources (docs/resources.md) from their CRDs."""
import sys

import yaml

HEAD = """# Resources

Every field of `Queue` (`sq`), `Job` (`sj`) and `Schedule` (`ss`), group `sluice.dev`, version `v1alpha1`, namespaced. Made from `crds/` by
`hack/generate`; do not edit. `kubectl explain sq.spec.scaling` shows the same.

`jobs` alone means batch/v1 to kubectl: write `sj` or `jobs.sluice.dev`. Numbers are whole numbers; `null` counts as absent, except in a payload. An object
that is absent switches its feature off where it says so; defaults count inside of objects that are there. The same manifests work on Kubernetes and
under `sluice dev DIR`, and are accepted and refused alike. What a schema cannot know (whether a cron expression, a time zone or a reference makes sense) is
accepted by both and told by a condition. Names of Queues and Schedules are DNS labels of at most 52 characters. A field whose feature is not built yet is
checked like the others, has no effect, and is named in a condition. Complete manifests: [examples/queues](../examples/queues).
"""


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def number(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def type_of(schema):
    if schema.get("x-kubernetes-int-or-string"):
        return "number or percentage"
    kind = schema.get("type")
    if kind is None:
        return "any JSON"
    if kind == "array":
        return "list" if schema["items"].get("type") == "object" else f"list of {type_of(schema['items'])}s"
    if kind == "object" and "additionalProperties" in schema:
        return f"map to {type_of(schema['additionalProperties'])}s"
    if schema.get("format") == "date-time":
        return "time"
    return {"integer": "number", "boolean": "true or false"}.get(kind, kind)


def value_bounds(schema):
    if "enum" in schema:
        return [", ".join(f"`{value}`" for value in schema["enum"])]
    bounds = []
    if "maximum" in schema:
        bounds.append(f"{number(schema['minimum'])}–{number(schema['maximum'])}")
    if schema.get("type") == "string" and "maxLength" in schema and schema.get("format") != "date-time":
        least = schema.get("minLength", 0)
        bounds.append((f"{least}–" if least else "≤ ") + f"{number(schema['maxLength'])} characters")
    if "maxItems" in schema:
        least = schema.get("minItems", 0)
        bounds.append((f"{least}–" if least else "≤ ") + f"{number(schema['maxItems'])} items")
    if schema.get("x-kubernetes-list-type") == "set":
        bounds.append("each once")
    if "maxProperties" in schema:
        bounds.append(f"≤ {number(schema['maxProperties'])} members")
    return bounds


def bounds_of(schema):
    bounds = value_bounds(schema)
    inner = schema.get("items") or schema.get("additionalProperties")
    if inner and inner.get("type") != "object":
        bounds += [f"each {bound}" for bound in value_bounds(inner)]
    return "; ".join(bounds)


def rules_of(schema):
    inner = schema.get("items", {})
    rules = schema.get("x-kubernetes-validations", []) + inner.get("x-kubernetes-validations", [])
    lines = []
    for rule in rules:
        field = rule.get("fieldPath", "")[1:]
        lines.append((f"`{field}` " if field else "") + cell(rule["message"]))
    return lines


def rows(schema, path, out):
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        default = ""
        if name in required:
            default = "required"
        elif "default" in field:
            default = f"`{number(field['default'])}`" if not isinstance(field["default"], bool) else f"`{str(field['default']).lower()}`"
        about = cell(field.get("description", "")).split(" Default: ")[0]  # has a column of its own
        meaning = [about] + [f"*{rule}.*" for rule in rules_of(field)]
        out.append(f"| `{here}` | {type_of(field)} | {default} | {bounds_of(field)} | {' '.join(meaning)} |")
        rows(field, here, out)
        if field.get("type") == "array" and field["items"].get("type") == "object":
            rows(field["items"], here + "[]", out)


def main(paths):
    print(HEAD)
    for path in paths:
        with open(path, encoding="utf-8") as file:
            crd = yaml.safe_load(file)
        kind = crd["spec"]["names"]["kind"]
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part, title in (("spec", f"{kind}.spec"), ("status", f"{kind}.status")):
            field = schema["properties"][part]
            about = cell(schema["description"]) + " " if part == "spec" else ""
            rules = " ".join(f"*{rule}.*" for rule in rules_of(field))
            print(f"## {title}\n\n{about}{cell(field['description'])} {rules}".rstrip() + "\n")
            table = []
            rows(field, "", table)
            print("| field | type | default | bounds | meaning |\n|---|---|---|---|---|")
            print("\n".join(table) + "\n")


main(sys.argv[1:])
