"""Clients that start Runs of all kinds, remember what was accepted, and follow each to its end."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
from chaos import projects
from helpers.server import pack
from outside.receivers import Receiver
from outside.sign_in_site import Site

_FINAL = ("completed", "failed", "canceled")
_BUILT = ("ready", "failed")
_ENDED = ("SUCCESS", "FAILURE", "TERMINATED", "CANCELED", "COMPLETED")
_TRY_AGAIN_SECONDS = 0.3
_WAIT_SECONDS = 5
_MANY_ATTEMPTS = 50
_DEPLOY_PAUSE_SECONDS = 6
_UNREACHED = (httpx2.TransportError, httpx2.RemoteProtocolError)
KINDS = {
    "fast": 30, "page": 20, "slow": 12, "fails": 6, "huge": 5, "too big": 2, "dies": 3, "late": 3,
    "download": 6, "home": 12, "canceled": 4,
}  # fmt: skip


@dataclass(eq=False, kw_only=True)
class Accepted:
    """A Run that the server has said it accepted."""

    number: int
    kind: str
    project: str
    body: dict[str, Any]
    maximum_attempts: int
    has_sink: bool
    at: float
    run_id: str = ""
    ended: dict[str, Any] | None = None
    """The first terminal answer that anyone got."""
    ended_at: float = 0.0


@dataclass(eq=False, kw_only=True)
class Load:
    """What is started, and what became of it."""

    client: httpx2.AsyncClient
    random: Random
    site: Site
    page_url: str
    receiver: Receiver
    accepted: list[Accepted] = field(default_factory=list[Accepted])
    job_runs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """By id: how each first was seen to have ended."""
    items: set[str] = field(default_factory=set[str])
    """The Runs of those JobRuns, once asked for."""
    deployments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """How each first was seen to have ended, in the order in which they were made."""
    is_over: bool = False
    refusals: dict[str, int] = field(default_factory=dict[str, int])
    """How often what was answered instead of an acceptance."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def run(self) -> None:
        """Start Runs and follow them, one after the other, until `is_over`."""
        while not self.is_over:
            await self.follow(await self.start(self._draw()))

    async def run_jobs(self) -> None:
        """Trigger the Job and follow its JobRun, one after the other, until `is_over`."""
        path = f"projects/{projects.PLAIN}/jobs/{projects.JOB}"
        while not self.is_over:
            key = {"idempotency-key": f"chaos-job-{next(self._numbers)}"}
            begun = await self._insist("POST", f"{path}/trigger", headers=key)
            ended: dict[str, Any] | None = None
            while ended is None or ended["status"] not in _ENDED:
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                found = await self._insist("GET", f"{path}/runs/{begun['jobRunId']}")
                ended = found["jobRun"]
            self.job_runs[begun["jobRunId"]] = ended

    async def run_deploys(self) -> None:
        """Deploy a project again and again, one after the other, until `is_over`."""
        path = f"projects/{projects.REDEPLOYED}/deployments"
        kind = {"content-type": "application/gzip"}
        while not self.is_over:
            bundle = pack(projects.redeployed(next(self._numbers)))
            found = await self._insist("POST", path, content=bundle, headers=kind)
            while (ended := found["deployment"])["status"] not in _BUILT:
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                found = await self._insist("GET", f"{path}/{ended['id']}")
            self.deployments.append(ended)
            await asyncio.sleep(self.random.uniform(0, _DEPLOY_PAUSE_SECONDS))

    async def start(self, kind: str, **more: Any) -> Accepted:
        """Start a Run, however often that takes."""
        asked = self._ask(kind)
        asked.body.update(more)
        path = f"projects/{asked.project}/run/start"
        key = {"idempotency-key": f"chaos-{asked.number}"}
        answer = await self._insist("POST", path, json=asked.body, headers=key)
        asked.run_id = answer["runId"]
        self.accepted.append(asked)
        return asked

    async def follow(self, run: Accepted) -> None:
        """Wait until the Run is terminal; cancel it on the way if it is one of those."""
        path = f"projects/{run.project}/run/{run.run_id}"
        if run.kind == "canceled":
            await asyncio.sleep(self.random.uniform(0, 1.5))
            await self._insist("POST", f"{path}/cancel")
        while run.ended is None:
            found = await self._insist("GET", f"{path}/result", params={"wait": _WAIT_SECONDS})
            if found["status"] in _FINAL:
                run.ended, run.ended_at = found, time.time()

    async def answer(self, path: str, **more: Any) -> Any:
        """Return what the server answers to a question."""
        return await self._insist("GET", path, **more)

    async def prune(self) -> None:
        """Have the server remove what nobody needs."""
        await self._insist("POST", "prune")

    def _draw(self) -> str:
        return self.random.choices(list(KINDS), list(KINDS.values()))[0]

    def _ask(self, kind: str) -> Accepted:
        number = next(self._numbers)
        random = self.random
        api, parameters = {
            "fast": ("fast", {"n": number}),
            "page": ("page", {"n": number, "url": self.page_url}),
            "slow": ("slow", {"n": number, "seconds": random.uniform(1, 4)}),
            "canceled": ("slow", {"n": number, "seconds": 3}),
            "huge": ("huge", {"bytes": projects.HUGE_BYTES}),
            "too big": ("huge", {"bytes": projects.TOO_BIG_BYTES}),
            "download": ("download", {"n": number}),
            "meet": ("meet", {}),
        }.get(kind, (kind, {}))
        many = random.random() < 0.5 or kind in ("home", "meet")
        attempts = _MANY_ATTEMPTS if many else 1
        if kind in ("fails", "too big", "dies", "late"):
            attempts = random.choice((1, 2))
        body: dict[str, Any] = {
            "api": api,
            "parameters": parameters,
            "retry": {"maximumAttempts": attempts},
            "saveTrace": random.random() < 0.2,
        }
        if kind == "late":
            body["requestTimeout"] = 1
        if kind == "home":
            body["authSession"] = {"id": "everyone", "checkAttempts": 10, "createAttempts": 10}
        has_sink = random.random() < 0.4 and kind != "meet"
        if has_sink:
            body["sink"] = {"type": "webhook", "url": self.receiver.url}
        return Accepted(
            number=number,
            kind=kind,
            project=projects.SIGNED_IN if kind == "home" else projects.PLAIN,
            body=body,
            maximum_attempts=attempts,
            has_sink=has_sink,
            at=time.time(),
        )

    async def _insist(self, method: str, path: str, **more: Any) -> Any:
        """Return the answer's body, trying again for as long as that is what the answer says."""
        while True:
            try:
                answer = await self.client.request(method, path, **more)
            except _UNREACHED as error:
                self._count(type(error).__name__)
            else:
                if answer.is_success:
                    return answer.json()
                self._count(f"{answer.status_code} {answer.json()['code']}")
                # Whatever the installation goes through, it is neither we who are at fault nor a thing unforeseen.
                assert answer.status_code == 503, answer.text
                assert answer.json()["retirable"], answer.text
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    def _count(self, what: str) -> None:
        self.refusals[what] = self.refusals.get(what, 0) + 1
