"""The page that documents every schema: `python -m lesion_core.cli.schema_page > docs/json.md`."""

from __future__ import annotations

import sys
from typing import Any

from lesion_core.cli.schemas import SCHEMAS

INTRODUCTION = """# JSON of the commands

Every command that prints figures prints JSON for programs with `--json`, on standard output; what it does meanwhile is
told on standard error. A value that is not defined is `null`: JSON has no NaN. Fields marked *optional* may be absent.
`python -m lesion_core.cli.schema_page` prints this page from what a test holds every command to.
"""


def markdown() -> str:
    """docs/json.md: the fields of each command's JSON."""
    parts, described = [INTRODUCTION], set()
    for command, model in SCHEMAS.items():
        schema = model.model_json_schema()
        listed = schema.get("type") == "array"
        top = schema["items"]["$ref"].split("/")[-1] if listed else schema["title"]
        models = {top: schema, **schema.get("$defs", {})} if not listed else schema["$defs"]
        parts.append(f"## `{command}`\n\n{'A list, one of these per image. ' if listed else ''}{_fields(models[top])}")
        for name, nested in models.items():
            if name != top and name not in described and "properties" in nested:
                described.add(name)
                parts.append(f"### {name}\n\n{_fields(nested)}")
    return "\n".join(parts)


def _fields(schema: dict[str, Any]) -> str:
    text = schema.get("description", "").split("\n")[0]
    rows = [
        f"| `{name}` | {_kind(field)}{'' if name in schema.get('required', ()) else ', optional'} | "
        f"{field.get('description', '')} |"
        for name, field in schema["properties"].items()
    ]
    return "\n".join([text, "", "| field | type | what |", "|---|---|---|", *rows, ""])


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"].split("/")[-1])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}" if "items" in field else "list"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"object of {_kind(values)}" if isinstance(values, dict) else "object"
    return str(field.get("type", "any"))


if __name__ == "__main__":
    sys.stdout.write(markdown())
