"""Bodies about results that are not as usual."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.drift import FIRST_RUNS, Drift, DriftKind
from runwright.storage.drift import ProfileRow
from runwright.web.wire.common import Body, parse, time_text_or_none


class WatchBody(Body):
    """An Api, and whether its results are watched."""

    api: str
    is_watched: bool = Field(alias="isWatched")


class AcceptBody(Body):
    """An Api whose results are as usual from now on."""

    api: str


class DriftBody(TypedDict):
    """Why a result is not as usual."""

    kinds: list[DriftKind]
    message: str
    fields: list[str]
    """Paths that had a value in nearly every result and have none now."""


class ProfileBody(TypedDict):
    """What is known of an Api's results."""

    api: str
    isWatched: bool
    knownRuns: int
    """Whose results say what is usual; nothing is marked before there are `neededRuns`."""
    neededRuns: int
    driftedInARow: int
    latestRunId: str | None
    """The latest that is marked."""
    latestDrift: DriftBody | None
    latestAt: str | None


class ProfilesAnswer(TypedDict):
    """What is known of the results of a project's Apis."""

    apis: list[ProfileBody]


def parse_watch(value: Any) -> tuple[str, bool]:
    """Return an Api and whether it is to be watched."""
    body = parse(WatchBody, value)
    return body.api, body.is_watched


def parse_accept(value: Any) -> str:
    """Return an Api."""
    return parse(AcceptBody, value).api


def drift(found: Drift) -> DriftBody:
    """Return why a result is not as usual."""
    return {"kinds": list(found.kinds), "message": found.message, "fields": list(found.fields)}


def profiles(found: list[ProfileRow]) -> ProfilesAnswer:
    """Return what is known of the results of a project's Apis."""
    return {"apis": [_profile(each) for each in found]}


def _profile(row: ProfileRow) -> ProfileBody:
    return {
        "api": row.api,
        "isWatched": row.is_watched,
        "knownRuns": len(row.profile.usual),
        "neededRuns": FIRST_RUNS,
        "driftedInARow": len(row.profile.drifted),
        "latestRunId": row.latest_run_id,
        "latestDrift": None if row.latest_drift is None else drift(row.latest_drift),
        "latestAt": time_text_or_none(row.latest_at),
    }
