"""Bodies of drift: results that deviate from the usual."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from typing_extensions import TypedDict

from runwright.domain.drift import FIRST_RUNS, Drift, DriftKind
from runwright.storage.drift import ProfileRow
from runwright.web.wire.common import Body, parse, time_text_or_none


class WatchBody(Body):
    """An Api, and whether to watch its results."""

    api: str
    is_watched: bool = Field(alias="isWatched")


class AcceptBody(Body):
    """An Api whose recent results become the usual ones."""

    api: str


class DriftBody(TypedDict):
    """How a result deviates from the usual."""

    kinds: list[DriftKind]
    message: str
    fields: list[str]
    """Paths that nearly always had a value, and now have none."""


class ProfileBody(TypedDict):
    """The state of an Api's results."""

    api: str
    isWatched: bool
    knownRuns: int
    """Runs whose results define what is usual; nothing is marked until there are `neededRuns`."""
    neededRuns: int
    driftedInARow: int
    latestRunId: str | None
    """The last Run marked."""
    latestDrift: DriftBody | None
    latestAt: str | None


class ProfilesAnswer(TypedDict):
    """The state of the results of a project's Apis."""

    apis: list[ProfileBody]


def parse_watch(value: Any) -> tuple[str, bool]:
    """The Api, and whether to watch it."""
    body = parse(WatchBody, value)
    return body.api, body.is_watched


def parse_accept(value: Any) -> str:
    """The Api."""
    return parse(AcceptBody, value).api


def drift(found: Drift) -> DriftBody:
    """The body of a drift."""
    return {"kinds": list(found.kinds), "message": found.message, "fields": list(found.fields)}


def profiles(found: list[ProfileRow]) -> ProfilesAnswer:
    """The state of the results of a project's Apis."""
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
