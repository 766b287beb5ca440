"""The contract of an Ed-Fi API: which requests there are, and what they are answered with.

`small` is written here, for the resources that are used, with what the published documents of Data Standard 5.0 do not
have (deletes, key changes, cursors). `published` is Ed-Fi's own OpenAPI, where it lies beside the project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from cis_ews.readers.edfi_resources import RESOURCES, Resource

PUBLISHED = Path(__file__).parents[2] / "../shared/samples/edfi_openapi"
Schema = dict[str, Any]
INTEGERS = ("schoolId", "schoolYear", "educationOrganizationId", "localEducationAgencyId", "totalInstructionalDays")
NUMBERS = ("eventDuration", "disciplineActionLength", "actualDisciplineActionLength", "numericGradeEarned")
MORE_NUMBERS = ("attemptedCredits", "earnedCredits", "finalNumericGradeEarned")
MINUTES = ("schoolAttendanceDuration", "sectionAttendanceDuration", "interventionDuration")
WINDOW = {"minChangeVersion": "integer", "maxChangeVersion": "integer"}
PAGES = {"offset": "integer", "limit": "integer", "totalCount": "boolean", **WINDOW}
CURSOR = {"pageToken": "string", "pageSize": "integer", **WINDOW}
ID = {"type": "string", "minLength": 1}
VERSION = {"type": "integer", "minimum": 0}


@dataclass(frozen=True)
class Operation:
    """One GET: its parameters by name with their types, and the schema of its answer."""

    parameters: Mapping[str, str]
    schema: Schema

    @cached_property
    def validator(self) -> Any:
        """What holds an answer against the schema."""
        return jsonschema_rs.validator_for(self.schema)

    def wrong(self, query: Mapping[str, str], answer: Any) -> list[str]:
        """What breaks the contract, in words."""
        found = [f"there is no parameter {name}" for name in query if name not in self.parameters]
        found += [
            f"{name} is no {kind}"
            for name, kind in self.parameters.items()
            if name in query and not _is_a(kind, query[name])
        ]
        return found + [f"the answer: {error.message}" for error in self.validator.iter_errors(answer)][:3]


def _is_a(kind: str, text: str) -> bool:
    forms = {"integer": r"-?\d+", "boolean": "true|false", "string": ".*"}
    return re.fullmatch(forms[kind], text) is not None


Contract = Mapping[str, Operation]
"""Path below the root of the API -> operation."""


def _object(properties: Mapping[str, Schema], required: list[str], *, others: bool = True) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": others}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


@cache
def small() -> Contract:
    """The contract that serves everywhere."""
    found: dict[str, Operation] = {"/": Operation({}, _discovery())}
    found["/changeQueries/v1/availableChangeVersions"] = Operation(
        {}, _object({"oldestChangeVersion": VERSION, "newestChangeVersion": VERSION}, ["newestChangeVersion"])
    )
    keys = {"type": "object"}
    for resource in RESOURCES.values():
        path = f"/data/v3/ed-fi/{resource.name}"
        found[path] = Operation({**PAGES, **CURSOR}, _list(_record(resource)))
        found[f"{path}/partitions"] = Operation(
            {"number": "integer", **WINDOW}, _object({"pageTokens": _list(ID)}, ["pageTokens"], others=False)
        )
        gone = {"id": ID, "changeVersion": VERSION, "keyValues": keys}
        found[f"{path}/deletes"] = Operation(PAGES, _list(_object(gone, list(gone), others=False)))
        renamed = {"id": ID, "changeVersion": VERSION, "oldKeyValues": keys, "newKeyValues": keys}
        found[f"{path}/keyChanges"] = Operation(PAGES, _list(_object(renamed, list(renamed), others=False)))
    return found


def _discovery() -> Schema:
    text = {"type": "string"}
    names = ["oauth", "dataManagementApi"]
    urls = _object(dict.fromkeys(names, text), names)
    models = _list(_object({"name": text, "version": text}, ["name", "version"]))
    return _object({"version": text, "dataModels": models, "urls": urls}, ["version", "dataModels", "urls"])


def _record(resource: Resource) -> Schema:
    """A record by the places that are read; the first place of its student or school has to be there."""
    root: Schema = _object({"id": ID}, ["id"])
    for column, places in resource.columns.items():
        for number, place in enumerate(places):
            _put(root, place.split("."), is_needed=column in ("student_id", "school_id") and len(places) == 1 + number)
    return root


def _put(node: Schema, path: list[str], *, is_needed: bool) -> None:
    name, *below = path
    if is_needed and name not in node["required"]:
        node["required"].append(name)
    if not below:
        node["properties"][name] = _value(name)
    elif name.endswith("Reference"):
        _put(node["properties"].setdefault(name, _object({}, [])), below, is_needed=is_needed)
    else:
        _put(node["properties"].setdefault(name, _list(_object({}, [])))["items"], below, is_needed=is_needed)


def _value(name: str) -> Schema:
    if name in INTEGERS or name in MINUTES:
        return {"type": "integer"}
    if name in NUMBERS or name in MORE_NUMBERS:
        return {"type": "number"}
    if name == "hispanicLatinoEthnicity":
        return {"type": "boolean"}
    if name.endswith("Descriptor"):
        return {"type": "string", "pattern": "^uri://.+#.+$", "maxLength": 306}
    return {"type": "string", "minLength": 1, "maxLength": 255}


@cache
def published() -> Contract:
    """Ed-Fi's own documents, of the resources that are used."""
    resources, changes, root = (
        _loaded(name) for name in ("resources-ds-5.0", "change-queries-api-1.0.0", "discovery-api-1.0")
    )
    versions = "/availableChangeVersions"
    found = {"/": _operation(root, "/"), f"/changeQueries/v1{versions}": _operation(changes, versions)}
    for name in RESOURCES:
        if f"/ed-fi/{name}" in resources["paths"]:
            found[f"/data/v3/ed-fi/{name}"] = _operation(resources, f"/ed-fi/{name}")
    return found


def _loaded(name: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((PUBLISHED / f"{name}.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe one


def _operation(document: Any, path: str) -> Operation:
    get = document["paths"][path]["get"]
    parameters = [_followed(document, each) for each in get.get("parameters", [])]
    schema = get["responses"]["200"]["content"]["application/json"]["schema"]
    return Operation(
        {each["name"]: each["schema"]["type"] for each in parameters if each["in"] == "query"},
        {**_plain(schema), "components": {"schemas": _reachable(document, schema)}},
    )


def _followed(document: Any, node: Any) -> Any:
    if "$ref" not in node:
        return node
    for name in node["$ref"].removeprefix("#/").split("/"):
        document = document[name]
    return document


def _reachable(document: Any, schema: Any) -> Schema:
    """The schemas that one refers to, and they in turn."""
    found: Schema = {}
    todo = [schema]
    while todo:
        text = str(todo.pop())
        for name in re.findall(r"#/components/schemas/(\w+)", text):
            if name not in found:
                found[name] = _plain(document["components"]["schemas"][name])
                todo.append(found[name])
    return found


def _plain(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as one of JSON Schema: what may be null says so there in a word of its own."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items() if name not in ("nullable", "example")}
    if schema.get("nullable") and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    return plain
