"""Reads a Runner's description of Apis defensively: the author's code may have written it instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from runwright.control.base import parameters
from runwright.domain.projects import PLAYGROUND_SAMPLE, Api, ProjectSettings

_MAX_REMARKS = 50
_MAX_DEPTH = 100
"""Limit for a schema's nesting, so that schemas can be walked recursively."""
_MAX_REMARK_LENGTH = 500


def read(
    told: Iterable[dict[str, Any]],
    sample_parameters: Mapping[str, dict[str, Any]],
    settings: ProjectSettings,
) -> tuple[tuple[Api, ...], list[str]]:
    """Return the Apis, and remarks on them for the person who deploys."""
    apis: list[Api] = []
    remarks: list[str] = []
    for each in told:
        name = str(each["name"])
        said = [str(remark)[:_MAX_REMARK_LENGTH] for remark in each.get("remarks") or ()]
        api = Api(
            name=name,
            description=each.get("description"),
            parameters_schema=_checkable(each.get("parameters_schema"), said),
            result_schema=_plain(each.get("result_schema")),
            samples=sample_parameters.get(name, {}),
        )
        said += _unfit_samples(api, settings)
        apis.append(api)
        remarks += [f"`api/{name}.py`: {remark}" for remark in said]
    return tuple(apis), remarks[:_MAX_REMARKS]


def _checkable(schema: Any, remarks: list[str]) -> dict[str, Any] | None:
    """The schema, without patterns if need be, if parameters can be checked against it; otherwise None."""
    found = _plain(schema)
    if found is None:
        return None
    try:
        parameters.check_schema(found)
    except ValueError as error:
        reason = str(error)
    else:
        return found
    without = cast("dict[str, Any]", _without_patterns(found))
    try:
        parameters.check_schema(without)
    except ValueError:
        remarks.append(f"parameters are not checked before a run starts: {reason}")
        return None
    remarks.append(f"patterns of parameters are not checked before a run starts: {reason}")
    return without


def _plain(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, dict) or not _is_shallow(schema, _MAX_DEPTH):
        return None
    try:
        json.dumps(schema, allow_nan=False)
    except ValueError:
        return None
    return cast("dict[str, Any]", schema)


def _is_shallow(schema: Any, left: int) -> bool:
    inside: Iterable[Any] = ()
    if isinstance(schema, list):
        inside = cast("list[Any]", schema)
    elif isinstance(schema, dict):
        inside = cast("dict[str, Any]", schema).values()
    return left > 0 and all(_is_shallow(each, left - 1) for each in inside)


def _without_patterns(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_patterns(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_patterns(item)
        for name, item in cast("dict[str, Any]", schema).items()
        if not (name == "pattern" and isinstance(item, str)) and name != "patternProperties"
    }


def _unfit_samples(api: Api, settings: ProjectSettings) -> list[str]:
    schema = parameters.enforced(api, settings)
    if schema is None:
        return []
    return [
        f"the sample {_called(case)} is invalid: `{found[0].path}` {found[0].message}"
        for case, sample in api.samples.items()
        if (found := parameters.problems(sample, schema))
    ]


def _called(case: str) -> str:
    return "of the settings" if case == PLAYGROUND_SAMPLE else f"`{case}`"
