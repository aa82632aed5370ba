"""Deployments as a state machine: each is built once, whatever dies, and none replaces a newer current one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from uuid import UUID

from helpers.server import pack
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from machines.lines import Cut
from machines.stage import Died, Machine, Stage, cuts, play

from runwright.adapters.queue import engine
from runwright.control.jobs import jobs
from runwright.control.projects import deployments
from runwright.domain.ids import DeploymentId
from runwright.domain.jobs import job_text
from runwright.domain.projects import (
    Api,
    Deployment,
    Manifest,
    ProjectSecrets,
    ProjectSettings,
)
from runwright.errors import Conflict, NotFound
from runwright.storage import projects as project_rows

_WORKERS = 2
_MOST = 4
_MANIFEST = Manifest(
    apis=(Api(name="a"),),
    settings=ProjectSettings(has_auth_sessions=True, can_create_sessions=True),
)
_JOB = {
    "payload": [{"apiName": "a", "parameters": {}}],
    "configuration": {},
    "auth_session": {"id": "s"},
}
_DEPLOYMENTS = (
    "SELECT id, number, status, fence, error, ended_at, manifest FROM deployments"
    " WHERE project_id = $1 ORDER BY number"
)
_CURRENT = "SELECT current_deployment_id AS id FROM projects WHERE id = $1"
_OLDER = (
    "UPDATE deployments SET created_at = created_at - interval '1 minute' WHERE project_id = $1"
)


class DeploymentMachine(Machine):
    """Deployments of one project, and two Workers that build them."""

    def __init__(self) -> None:
        super().__init__()
        self.archive = Path(self.platform.settings.data_dir) / "bundle.tar.gz"
        self.archive.parent.mkdir(parents=True, exist_ok=True)
        self.archive.write_bytes(pack({"api/a.py": "async def automation(page, params): ..."}))
        self.deploys = 0
        self.held: dict[tuple[UUID, int], Deployment] = {}
        """By Deployment and Worker: what that one has begun to build and not ended."""
        self.before: dict[UUID, dict[str, Any]] = {}
        self.current: Any = None
        self.is_rolled_back = False
        """In this step."""
        self.declared: tuple[str, ...] = ()
        """What the code declares that a Worker builds now."""

    @initialize()
    def begin(self) -> None:
        self._deploy(None)

    @rule(cut=cuts)
    def deploy(self, cut: Cut | None) -> None:
        if self.deploys < _MOST:
            self._deploy(cut)

    @rule(choice=st.integers(0, _MOST), worker=st.integers(0, _WORKERS - 1), cut=cuts)
    def take_up(self, choice: int, worker: int, cut: Cut | None) -> None:
        self._take_up(self._chosen(choice), worker, cut)

    @rule(
        choice=st.integers(0, _MOST),
        worker=st.integers(0, _WORKERS - 1),
        is_good=st.sampled_from([True, True, False]),
        declared=st.sampled_from([(), ("session",), ("session", "job")]),
        cut=cuts,
    )
    def end(
        self, choice: int, worker: int, is_good: bool, declared: tuple[str, ...], cut: Cut | None
    ) -> None:
        self.declared = declared
        chosen = self._chosen(choice)
        self._take_up(chosen, worker, None)
        begun = self.held.pop((chosen, worker), None)
        if begun is None:
            return
        before = self._rows()
        self.persist(lambda: self._end(begun, is_good=is_good), cut)
        after = self._rows()
        if (before[chosen]["fence"], before[chosen]["status"]) != (begun.fence, "building"):
            assert after == before
        else:
            assert after[chosen]["status"] == ("ready" if is_good else "failed")

    @rule(
        choice=st.integers(0, _MOST),
        worker=st.integers(0, _WORKERS - 1),
        is_good=st.booleans(),
        cut=cuts,
    )
    def die(self, choice: int, worker: int, is_good: bool, cut: Cut | None) -> None:
        """A Worker dies while it says how a Deployment ended, or just after."""
        chosen = self._chosen(choice)
        begun = self.held.get((chosen, worker))
        if begun is not None:
            with contextlib.suppress(Died):
                self.once(lambda: self._end(begun, is_good=is_good), cut)
        self.held = {key: held for key, held in self.held.items() if key[1] != worker}

    @rule(choice=st.integers(0, _MOST), cut=cuts)
    def roll_back(self, choice: int, cut: Cut | None) -> None:
        chosen = self._chosen(choice)
        with contextlib.suppress(Conflict):
            self.persist(lambda: deployments.roll_back(self.platform, self.project, chosen), cut)
            assert self.rows(_CURRENT, self.project.id)[0]["id"] == chosen
            self.is_rolled_back = True

    @rule(cut=cuts)
    def trigger(self, cut: Cut | None) -> None:
        """A Job that the code declares, if it does, is under way when the next Deployment comes."""

        async def begin() -> None:
            async with self.platform.database.acquire() as connection:
                project = await project_rows.get(connection, self.project.id)
            await jobs.trigger(self.platform, project, "j", idempotency_key=None, request_text="")

        with contextlib.suppress(Died, NotFound):
            self.once(begin, cut)

    @rule(choice=st.integers(0, _MOST), cut=cuts)
    def lose_its_entry(self, choice: int, cut: Cut | None) -> None:
        self.execute(
            "DELETE FROM pgqueuer WHERE payload = convert_to($1, 'UTF8')",
            f"deployment:{self._chosen(choice)}",
        )
        self._sweep(cut)

    @invariant()
    def everything_is_true(self) -> None:
        self.check_locks()
        found = self._rows()
        current = self.rows(_CURRENT, self.project.id)[0]["id"]
        assert [row["number"] for row in found.values()] == list(range(1, len(found) + 1))
        assert found[current]["status"] == "ready"
        for deployment_id, row in found.items():
            before = self.before.get(deployment_id, row)
            assert row["fence"] >= before["fence"]
            assert before["ended_at"] is None or row == before
            assert (row["status"] == "ready") == (row["manifest"] is not None)
        if self.current is not None and not self.is_rolled_back:
            assert found[current]["number"] >= found[self.current]["number"]
        self.before, self.current, self.is_rolled_back = found, current, False

    def teardown(self) -> None:
        """All Workers die; a new one finds everything and builds it."""
        try:
            self.held.clear()
            self._sweep(None)
            for chosen in self._rows():
                self._take_up(chosen, 0, None)
                if (begun := self.held.get((chosen, 0))) is not None:
                    self.do(self._end(begun, is_good=True))
            self.everything_is_true()
            assert all(row["status"] in ("ready", "failed") for row in self._rows().values())
        finally:
            self.execute("UPDATE runs SET waits_for = NULL WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM runs WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM job_runs WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM jobs WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM auth_sessions WHERE project_id = $1", self.project.id)
            self.execute("DELETE FROM pgqueuer")

    # How it is done.

    def _deploy(self, cut: Cut | None) -> None:
        self.deploys += 1
        workspace_id, name = self.project.workspace_id, self.project.name
        with contextlib.suppress(Died):
            self.once(
                lambda: deployments.create(self.platform, workspace_id, name, self.archive), cut
            )

    def _take_up(self, chosen: UUID, worker: int, cut: Cut | None) -> None:
        if (chosen, worker) in self.held:
            return
        begun = self.persist(lambda: deployments.begin(self.platform, DeploymentId(chosen)), cut)
        if begun is not None:
            fences = [held.fence for (of, _), held in self.held.items() if of == chosen]
            assert all(begun.fence > fence for fence in fences)
            self.held[chosen, worker] = begun

    async def _end(self, begun: Deployment, *, is_good: bool) -> None:
        await deployments.report(self.platform, begun, "Importing every API")
        if is_good:
            secrets = ProjectSecrets(
                auth_sessions={"s": {"account": 1}} if "session" in self.declared else {},
                jobs={"j": job_text.parse(_JOB)} if "job" in self.declared else {},
            )
            await deployments.finish(self.platform, begun, _MANIFEST, secrets)
        else:
            await deployments.fail(self.platform, begun, "no")

    def _sweep(self, cut: Cut | None) -> None:
        self.execute(_OLDER, self.project.id)
        self.persist(lambda: deployments.requeue_lost(self.platform), cut)
        unfinished = [
            f"deployment:{each}"
            for each, row in self._rows().items()
            if row["status"] in ("pending", "building")
        ]
        assert self.do(engine.without_entry(self.stage.watch, unfinished)) == []

    def _chosen(self, choice: int) -> UUID:
        found = list(self._rows())
        return found[choice % len(found)]

    def _rows(self) -> dict[UUID, dict[str, Any]]:
        return {row["id"]: row for row in self.rows(_DEPLOYMENTS, self.project.id)}


async def test_a_deployment_ends_once_and_none_is_current_behind_a_newer_ones_back(
    stage: Stage,
) -> None:
    await play(DeploymentMachine, stage)
