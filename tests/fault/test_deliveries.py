"""Deliveries outlive the process that sends them."""

from __future__ import annotations

from pathlib import Path

from helpers.server import eventually, serving
from outside import receivers

PROJECT = {"api/echo.py": "async def automation(page, params):\n    return params\n"}


def test_a_failed_try_is_repeated_by_who_serves_next(tmp_path: Path) -> None:
    settings = {"RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "true", "RUNWRIGHT_HEARTBEAT_TIMEOUT": "2"}
    with receivers.serving() as receiver:
        receiver.answers = [500]
        with serving(tmp_path / "data", **settings) as server:
            server.deploy("p", PROJECT)
            run_id = server.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
            eventually(
                lambda: [each["tries"] for each in server.detail(run_id)["deliveries"]] == [1]
            )
            server.process.kill()
            server.process.wait()

        with serving(tmp_path / "data", **settings) as server:

            def delivered() -> bool:
                (found,) = server.detail(run_id)["deliveries"]
                return found["status"] == "delivered"

            eventually(delivered, within=60)

    ids = {headers["webhook-id"] for headers, _ in receiver.received}
    assert len(receiver.received) >= 2
    assert len(ids) == 1


def test_a_receiver_that_hangs_as_the_server_dies_is_asked_again(tmp_path: Path) -> None:
    settings = {
        "RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "true",
        "RUNWRIGHT_WEBHOOK_TIMEOUT": "2",
        "RUNWRIGHT_HEARTBEAT_TIMEOUT": "2",
    }
    with receivers.serving() as receiver:
        receiver.misdeed = "hangs"
        with serving(tmp_path / "data", **settings) as server:
            server.deploy("p", PROJECT)
            run_id = server.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
            eventually(lambda: len(receiver.received) == 1)
            server.process.kill()
            server.process.wait()
        receiver.misdeed = None
        receiver.goes_on.set()

        with serving(tmp_path / "data", **settings) as server:
            eventually(
                lambda: server.detail(run_id)["deliveries"][0]["status"] == "delivered", within=60
            )

    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
