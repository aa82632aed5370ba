"""Invariants of Runs and their Attempts after every step, whoever took it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from runwright.domain.failures import Failure
from runwright.domain.runs import Outcome, RunKind
from runwright.errors import Category, FailureCode

TERMINAL = ("completed", "failed", "canceled")
ATTEMPTS = (
    "SELECT attempts.* FROM attempts JOIN runs ON runs.id = run_id WHERE project_id = $1"
    " ORDER BY run_id, number"
)

_Row = dict[str, Any]


class RunHistory:
    """Runs and Attempts as they were after the last step."""

    def __init__(self) -> None:
        self.runs: dict[str, _Row] = {}
        self._attempts: dict[tuple[str, int], _Row] = {}

    def go_on(self, runs: list[_Row], attempts: list[_Row]) -> None:
        """See that these may follow what was, and that they are true; keep them."""
        found = {row["id"]: row for row in runs}
        tries = {(row["run_id"], row["number"]): row for row in attempts}
        of_run: dict[str, list[_Row]] = defaultdict(list)
        for row in attempts:
            of_run[row["run_id"]].append(row)
        for run_id, before in self.runs.items():
            _check_follows(before, found[run_id])
        for key, before in self._attempts.items():
            # One that has ended stays as it is; one that was undone was open.
            assert before["status"] == "started" or tries.get(key) == before
        for row in runs:
            _check_attempts(row, of_run[row["id"]])
        self.runs, self._attempts = found, tries


def failure(*, is_retried: bool) -> Outcome:
    """Return the Outcome of an Attempt that failed."""
    return Outcome(
        failure=Failure(
            code=FailureCode.EXECUTION_EXCEPTION,
            category=Category.EXECUTION,
            message="no",
            retryable=is_retried,
        )
    )


def _check_follows(before: _Row, after: _Row) -> None:
    assert after["fence"] >= before["fence"]
    assert before["status"] not in TERMINAL or after == before, (before, after)
    assert before["status"] != "started" or after["status"] != "pending"


def _check_attempts(run: _Row, found: list[_Row]) -> None:
    """See that the Attempts are those of their Run."""
    statuses = [row["status"] for row in found]
    fences = [row["fence"] for row in found]
    if run["kind"] != RunKind.OPERATION:
        assert [row["number"] for row in found] == list(range(1, len(found) + 1))
        assert run["attempt"] == len(found) <= run["maximum_attempts"]
        assert ("completed" in statuses) == (run["status"] == "completed")
    assert fences == sorted({*fences})
    assert statuses[:-1] == ["failed"] * len(statuses[:-1])
    if "started" in statuses:
        assert (run["status"], run["fence"]) == ("started", fences[-1])
    if run["status"] in TERMINAL:
        assert run["worker_id"] is None
