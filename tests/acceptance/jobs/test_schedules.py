"""Schedules over HTTP: previewing firings before anything is saved."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from helpers.server import RunwrightServer


@pytest.fixture(name="preview")
def _preview(server: RunwrightServer) -> Any:
    server.deploy("planned", {"api/a.py": "async def automation(page, params):\n    return 1\n"})

    def ask(body: Any) -> Any:
        with server.client() as client:
            return client.post("/projects/planned/schedules/preview", json=body)

    return ask


def test_the_next_firings_are_told_without_saving_anything(preview: Any) -> None:
    schedule = {"intervals": [{"every": "1h"}], "timeZone": "Europe/Zurich"}

    found = preview({"schedule": schedule, "count": 3}).json()["upcoming"]

    moments = [datetime.fromisoformat(each) for each in found]
    assert [each.minute for each in moments] == [0, 0, 0]
    assert [(two - one).total_seconds() for one, two in itertools.pairwise(moments)] == [
        3600,
        3600,
    ]


def test_what_comes_no_more_has_no_next_firing(preview: Any) -> None:
    answer = preview({"schedule": {"calendars": [{"year": 2020}]}})

    assert (answer.status_code, answer.json()) == (200, {"upcoming": []})


def test_what_never_comes_is_refused_by_its_field(preview: Any) -> None:
    calendar = {"month": "FEBRUARY", "dayOfMonth": 31}

    answer = preview({"schedule": {"calendars": [calendar]}})

    assert answer.status_code == 400
    assert [each["path"] for each in answer.json()["details"]] == ["schedule.calendars.0"]
