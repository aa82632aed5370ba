"""The firings listed in the Jobs reference are the ones that happen."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from runwright.domain.jobs import job_text, schedule_text, schedules

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOW = datetime(2026, 3, 25, 12, tzinfo=UTC)


def test_the_next_five_firings_of_each_example_are_right() -> None:
    text = (DOCS / "reference/jobs.md").read_text()
    examples = re.findall(r"```json\n(.*?)```\n\nfires ([^\n]+)", text, re.DOTALL)

    assert len(examples) >= 4
    for source, named in examples:
        schedule = schedule_text.parse(json.loads(source))
        found = [f"{each:%Y-%m-%d %H:%M:%S}" for each in schedules.upcoming(schedule, NOW, 5)]
        assert ", ".join(found) == named, source


def test_the_job_of_the_how_to_can_be_read() -> None:
    text = (DOCS / "how-to/run-jobs.md").read_text()
    bodies = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]

    plan = job_text.parse(bodies[0])
    told = job_text.parse(bodies[0] | bodies[2])

    assert plan.configuration.max_concurrent == 4
    assert schedule_text.parse(bodies[1]).zone == "Europe/Zurich"
    assert told.secrets.notifications[0].headers == (("x-token", "a-secret"),)
