"""Delivered outcomes: signed, retried, reported openly, and never affecting the Run."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from helpers import command_line
from helpers.server import RunwrightServer, environment, eventually, line_of, serving
from moto.server import ThreadedMotoServer
from outside import receivers
from outside.receivers import Receiver
from standardwebhooks import Webhook

PROJECT = {
    "api/echo.py": "async def automation(page, params):\n    return params\n",
    "api/fails.py": "async def automation(page, params):\n    raise ValueError('no')\n",
}


_BUCKET: dict[str, Any] = {
    "type": "s3", "bucket": "b", "accessKeyId": "a", "secretAccessKey": "s", "region": "us-east-1",
}  # fmt: skip


@pytest.fixture(scope="module", name="own")
def _own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunwrightServer]:
    """Return a server that may deliver to loopback and gives up soon."""
    with serving(
        tmp_path_factory.mktemp("deliveries") / "data",
        RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE="true",
        RUNWRIGHT_WEBHOOK_TIMEOUT="2",
        RUNWRIGHT_WEBHOOK_WINDOW="0",
        RUNWRIGHT_S3_WINDOW="0",
    ) as server:
        assert server.deploy("p", PROJECT)["status"] == "ready"
        yield server


@pytest.fixture(name="receiver")
def _receiver() -> Generator[Receiver]:
    with receivers.serving() as receiver:
        yield receiver


def _delivery(server: RunwrightServer, run_id: str, project: str = "p") -> dict[str, Any]:
    """Return the Run's Delivery with its tries, once it is over."""

    def look() -> dict[str, Any] | None:
        found = server.detail(run_id)["deliveries"]
        if not found or found[0]["status"] == "pending":
            return None
        with server.client() as client:
            path = f"/projects/{project}/deliveries/{found[0]['deliveryId']}"
            return client.get(path).json()

    return eventually(look)


def test_a_webhook_gets_the_outcome_signed(own: RunwrightServer, receiver: Receiver) -> None:
    sink = {"type": "webhook", "url": receiver.url, "headers": {"x-token": "t-1"}}
    run_id = own.start("p", "echo", {"n": 1.50, "text": "é"}, sink=sink)
    found = _delivery(own, run_id)
    with own.client() as client:
        secret = client.get("/projects/p/webhook-secret").json()["secret"]

    headers, body = receiver.received[0]
    assert Webhook(secret).verify(body, headers) == {
        "workspaceId": own.workspace_id,
        "project": {"id": _project_id(own), "name": "p"},
        "apiInfo": {
            "name": "echo",
            "parameters": {"n": 1.5, "text": "é"},
            "runId": run_id,
            "result": {"status": "completed", "result": {"n": 1.5, "text": "é"}, "statusCode": 200},
        },
    }
    assert headers["x-token"] == "t-1"
    assert headers["webhook-id"] == found["delivery"]["deliveryId"]
    assert found["delivery"]["status"] == "delivered"
    assert [(each["statusCode"], each["answer"]) for each in found["tries"]] == [(200, "thanks")]
    assert "t-1" not in json.dumps(found)


def test_the_receiver_of_the_documents_takes_what_is_ours_and_nothing_else(
    own: RunwrightServer,
) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/how-to/receive-results.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with own.client() as client:
        secret = client.get("/projects/p/webhook-secret").json()["secret"]
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port = asking.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        env=environment(WEBHOOK_SECRET=secret, PORT=str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{port}/"
        eventually(lambda: _status_of(url, {}) == 401)
        found = _delivery(own, own.start("p", "echo", sink={"type": "webhook", "url": url}))
        said = line_of(process)
        forged = {
            "webhook-id": "msg_x",
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": "v1,AAAA",
        }
        assert (found["delivery"]["status"], said) == ("delivered", "completed\n")
        assert _status_of(url, forged) == 401
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _status_of(url: str, headers: dict[str, str]) -> int | None:
    try:
        return httpx2.post(url, content=b"{}", headers=headers, timeout=60).status_code
    except httpx2.HTTPError:
        return None


def test_a_failed_run_is_told_with_its_code(own: RunwrightServer, receiver: Receiver) -> None:
    run_id = own.start("p", "fails", sink={"type": "webhook", "url": receiver.url})
    _delivery(own, run_id)

    outcome = json.loads(receiver.received[0][1])["apiInfo"]["result"]
    assert outcome == {
        "status": "failed",
        "error": "script-execution-exception",
        "message": "ValueError: no",
        "statusCode": 500,
    }


def test_only_what_a_sink_wants_is_delivered(own: RunwrightServer, receiver: Receiver) -> None:
    sink = {"type": "webhook", "url": receiver.url}
    skipped = own.start("p", "fails", sink={**sink, "skipOnFail": True})
    other = own.start("p", "echo", sink={**sink, "apisToSend": ["fails"]})
    wanted = own.start("p", "echo", sink={**sink, "skipOnFail": True, "apisToSend": ["echo"]})
    _delivery(own, wanted)

    for run_id in (skipped, other):
        own.result("p", run_id)
        assert own.detail(run_id)["deliveries"] == []
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("misdeed", "error"),
    [
        ("hangs", "no answer within 2 s"),
        ("trickles", "no answer within 2 s"),
        ("closes", "disconnected"),
        ("redirects", "/hook`: redirects are not followed"),
    ],
)
def test_a_receiver_that_misbehaves_is_told_of_and_changes_nothing(
    own: RunwrightServer, receiver: Receiver, misdeed: str, error: str
) -> None:
    receiver.misdeed = misdeed
    run_id = own.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
    found = _delivery(own, run_id)

    assert own.result("p", run_id)["status"] == "completed"
    assert found["delivery"]["status"] == "exhausted"
    assert error in found["tries"][0]["error"]
    # A redirect is not followed.
    assert len(receiver.received) == 1


def test_a_receiver_that_answers_without_end_is_read_a_little(
    own: RunwrightServer, receiver: Receiver
) -> None:
    receiver.misdeed = "floods"
    run_id = own.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
    found = _delivery(own, run_id)

    assert found["delivery"]["status"] == "delivered"
    assert found["tries"][0]["answer"] == "x" * 1024


def test_receivers_that_hang_take_no_slot_from_runs(tmp_path: Path, receiver: Receiver) -> None:
    receiver.misdeed = "waits"
    sink = {"type": "webhook", "url": receiver.url}
    settings = {
        "RUNWRIGHT_SLOTS": "1",
        "RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "true",
        "RUNWRIGHT_WEBHOOK_TIMEOUT": "300",
    }
    with serving(tmp_path / "data", **settings) as server:
        assert server.deploy("p", PROJECT)["status"] == "ready"
        held = server.start("p", "echo", sink=sink)
        eventually(lambda: receiver.received)

        meanwhile = server.run("p", "echo", {"still": "runs"})
        waiting = server.detail(held)["deliveries"][0]["status"]
        receiver.goes_on.set()

        assert meanwhile["result"] == {"still": "runs"}
        assert waiting == "pending"
        assert _delivery(server, held)["delivery"]["status"] == "delivered"


def test_a_failed_try_is_repeated_with_the_same_id_when_it_is_asked_for_unless_it_is_gone(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answers, receiver.retry_after = [429], "12"
    data_dir = tmp_path / "data"
    settings = {"RUNWRIGHT_WEBHOOK_ALLOW_PRIVATE": "true"}
    with serving(data_dir, **settings) as server:
        server.deploy("p", PROJECT)
        run_id = server.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
        eventually(lambda: len(receiver.received) == 1)
        eventually(lambda: server.detail(run_id)["deliveries"][0]["tries"] == 1)
        receiver.answers = [410]
        gone_id = server.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
        gone = _delivery(server, gone_id)
    # What is still to be sent outlives a restart.
    with serving(data_dir, **settings) as server:
        found = _delivery(server, run_id)
        with server.client() as client:
            path = f"/projects/p/deliveries/{gone['delivery']['deliveryId']}/redeliver"
            assert client.post(path, json={}).status_code == 200
        again = _delivery(server, gone_id)

    assert [each["statusCode"] for each in found["tries"]] == [429, 200]
    first, second = (datetime.fromisoformat(each["at"]) for each in found["tries"])
    assert second - first >= timedelta(seconds=12)
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert [ids[0], ids[1]] == [ids[2], ids[3]]
    assert gone["delivery"]["status"] == "exhausted"
    assert "answered 410 (gone), so nothing more is sent to it" in gone["tries"][0]["error"]
    assert again["delivery"]["status"] == "delivered"


def _secretive_job(url: str) -> dict[str, Any]:
    proxy = "http://user:hush-proxy@127.0.0.1:9"
    return {
        "payload": [{"apiName": "echo", "parameters": {}}],
        "configuration": {"proxy": proxy},
        "sink": {"type": "webhook", "url": url, "headers": {"x-k": "hush-as-well"}, "apisToSend": []},
        "proxy": proxy,
        "notifications": [{"type": "webhook", "url": url.replace("/hook", "/notified")}],
    }  # fmt: skip


def test_what_is_secret_of_a_webhook_is_sent_and_never_shown(
    own: RunwrightServer, receiver: Receiver
) -> None:
    receiver.misdeed = "echoes"
    url = receiver.url.replace("//", "//user:p%40ss-hush@") + "?token=hush-too"
    sink = {"type": "webhook", "url": url, "headers": {"x-key": "hush-as-well"}}
    job, path = _secretive_job(url), "/projects/p/jobs/secretive"
    run_id = own.start("p", "echo", sink=sink)
    found = _delivery(own, run_id)
    with own.client() as client:
        assert client.post("/projects/p/jobs", json={**job, "id": "secretive"}).status_code == 201
        client.post(f"{path}/trigger", json={})
        eventually(lambda: len(receiver.lines) == 3)
        told = [
            client.get(each).text
            for each in (path, "/projects/p/jobs", f"{path}/runs", "/projects/p/deliveries",
                         f"/runs/{run_id}", "/projects/p/runs")
        ]  # fmt: skip
        shown = client.get(path).json()
        # A mask that comes back stands for what is there.
        kept = client.put(path, json={key: shown[key] for key in job})
        client.post(f"{path}/trigger", json={})
        eventually(lambda: len(receiver.lines) == 5)

    sent = receiver.received[0][0]["authorization"]
    assert sent == f"Basic {b64encode(b'user:p@ss-hush').decode()}"
    assert kept.status_code == 200
    targets = [line.split()[1] for line in receiver.lines]
    assert targets == ["/hook?token=hush-too"] + ["/notified?token=hush-too"] * 4
    assert (
        shown["sink"]["url"] == receiver.url.replace("//", "//user:********@") + "?token=********"
    )
    assert "•••" in found["tries"][0]["answer"]
    log = (own.data_dir.parent / f"{own.data_dir.name}.log").read_text()
    for text in (*told, json.dumps(found), log):
        assert "hush" not in text
        assert sent.removeprefix("Basic ") not in text


def test_a_private_address_is_refused_unless_allowed(server: RunwrightServer) -> None:
    server.deploy("refused", PROJECT)
    for host in ("127.0.0.1:9", "localhost:9", "2130706433", "[::1]", "169.254.169.254", "0x7f.1"):
        sink = {"type": "webhook", "url": f"http://{host}/"}
        run_id = server.start("refused", "echo", sink=sink)

        def tried(run_id: str = run_id) -> Any:
            return server.detail(run_id)["deliveries"][0]["tries"]

        server.result("refused", run_id)
        eventually(tried)
        with server.client() as client:
            delivery_id = server.detail(run_id)["deliveries"][0]["deliveryId"]
            found = eventually(
                lambda client=client, delivery_id=delivery_id: client.get(
                    f"/projects/refused/deliveries/{delivery_id}"
                ).json()["tries"]
            )
        assert "is refused" in found[0]["error"], host


def test_sending_again_keeps_the_id_and_may_go_elsewhere(
    own: RunwrightServer, receiver: Receiver
) -> None:
    receiver.answers = [500]
    run_id = own.start("p", "echo", sink={"type": "webhook", "url": f"{receiver.url}/old"})
    failed = _delivery(own, run_id)
    delivery_id = failed["delivery"]["deliveryId"]
    with own.client() as client:
        path = f"/projects/p/deliveries/{delivery_id}"
        again = client.post(f"{path}/redeliver", json={"url": f"{receiver.url}/new"})
        refused = client.post(f"{path}/redeliver", json={"url": "ftp://x"})
        found = _delivery(own, run_id)
        listed = client.get("/projects/p/deliveries", params={"runId": run_id}).json()

    assert failed["delivery"]["status"] == "exhausted"
    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert refused.status_code == 400
    assert found["delivery"]["status"] == "delivered"
    assert found["delivery"]["target"].endswith("/new")
    assert [each["statusCode"] for each in found["tries"]] == [500, 200]
    assert [each["deliveryId"] for each in listed["deliveries"]] == [delivery_id]


def test_deliveries_on_the_command_line(
    own: RunwrightServer, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [404]
    run_id = own.start("p", "echo", sink={"type": "webhook", "url": receiver.url})
    delivery_id = _delivery(own, run_id)["delivery"]["deliveryId"]

    def say(*words: str) -> str:
        return command_line.run(own, "deliveries", *words, cwd=tmp_path).stdout

    listed = json.loads(say("list", "p", "--run", run_id, "--status", "exhausted", "--json"))
    table = say("list", "p", "--limit", "1")
    shown = json.loads(say("show", "p", delivery_id))
    again = say("redeliver", "p", delivery_id)

    assert [each["deliveryId"] for each in listed] == [delivery_id]
    assert "exhausted" in table
    assert shown["tries"][0]["statusCode"] == 404
    assert again.strip() == "pending"
    assert _delivery(own, run_id)["delivery"]["status"] == "delivered"


def test_a_rotated_secret_signs_along_for_a_day(own: RunwrightServer, receiver: Receiver) -> None:
    with own.client() as client:
        before = client.get("/projects/p/webhook-secret").json()["secret"]
        after = client.post("/projects/p/webhook-secret/rotate").json()["secret"]
        shown = client.get("/projects/p/webhook-secret").json()["secret"]
    _delivery(own, own.start("p", "echo", sink={"type": "webhook", "url": receiver.url}))

    headers, body = receiver.received[0]
    assert before != after == shown
    for secret in (before, after):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize(
    ("sink", "path"),
    [
        ({"type": "pigeon"}, "sink.type"),
        ({"type": "webhook"}, "sink.url"),
        ({"type": "webhook", "url": "file:///etc/passwd"}, "sink.url"),
        ({"type": "webhook", "url": "http://a/", "headers": {"Host": "b"}}, "sink.headers.Host"),
        ({"type": "webhook", "url": "http://a/", "headers": {"x": "a\nb"}}, "sink.headers.x"),
        ({"type": "webhook", "url": "http://a/", "skipOnFail": 1}, "sink.skipOnFail"),
        ({"type": "webhook", "url": "http://a/", "apisToSend": "a"}, "sink.apisToSend"),
        ({"type": "s3", "bucket": "b"}, "sink.accessKeyId"),
        ({**_BUCKET, "bucket": "a/b"}, "sink.bucket"),
        ({**_BUCKET, "bucket": "arn:aws:s3::123456789012:accesspoint/a.mrap"}, "sink.bucket"),
        ({**_BUCKET, "region": "us east"}, "sink.region"),
        ({**_BUCKET, "endpoint": "s3.example.com"}, "sink.endpoint"),
        ({**_BUCKET, "endpoint": "http://my_minio:9000"}, "sink.endpoint"),
        ({**_BUCKET, "prefix": "a/../b"}, "sink.prefix"),
        ({**_BUCKET, "secretAccessKey": "s\n"}, "sink.secretAccessKey"),
    ],
)
def test_a_sink_that_is_none_is_refused(
    own: RunwrightServer, sink: dict[str, Any], path: str
) -> None:
    body = {"api": "echo", "parameters": {}, "sink": sink}
    job = {"id": "j", "payload": [], "configuration": {}, "sink": sink}
    with own.client() as client:
        answers = [
            client.post("/projects/p/run/start", json=body),
            client.post("/projects/p/jobs", json=job),
        ]

    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["details"][0]["path"] == path


@pytest.fixture(scope="module", name="bucket")
def _s3() -> Generator[tuple[str, Any]]:
    """Return the address of an S3 and a client of it, with the bucket `results`."""
    s3_server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3_server.start()
    _, port = s3_server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    client: Any = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="s",
    )
    client.create_bucket(Bucket="results")
    yield endpoint, client
    s3_server.stop()


def test_a_bucket_gets_an_object_for_each_run_where_boto3_would_put_it(
    own: RunwrightServer, bucket: tuple[str, Any]
) -> None:
    endpoint, client = bucket
    client.create_bucket(Bucket="dotted.name")
    sink = {"type": "s3", "bucket": "results", "accessKeyId": "a", "secretAccessKey": "s é/+%",
            "region": "us-east-1"}  # fmt: skip
    ways: list[dict[str, Any]] = [
        {"endpoint": endpoint, "prefix": "out/", "forcePathStyle": True},
        {"endpoint": endpoint, "prefix": "/absent/"},
        {"endpoint": f"{endpoint}/", "prefix": "日本 é+%20//x", "forcePathStyle": False},
        {"endpoint": endpoint, "bucket": "dotted.name", "prefix": ""},
        {"endpoint": endpoint, "region": "auto", "addressingStyle": "auto", "prefix": "a"},
    ]
    run_ids = [own.start("p", "echo", {"n": 1}, sink={**sink, **way}) for way in ways]
    found = [_delivery(own, run_id) for run_id in run_ids]

    day = found[0]["delivery"]["createdAt"][:10]
    assert [each["tries"][0]["error"] for each in found] == [None] * len(ways)
    for way, run_id in zip(ways, run_ids, strict=True):
        prefix = way["prefix"].strip("/")
        key = f"{prefix}/p/runs/{day}/{run_id}.json".lstrip("/")
        there = client.get_object(Bucket=way.get("bucket", "results"), Key=key)
        assert json.loads(there["Body"].read())["apiInfo"]["result"]["result"] == {"n": 1}
        assert there["ContentType"] == "application/json"
    assert found[0]["delivery"]["target"] == "s3://results/out"


def test_a_bucket_that_is_not_there_is_told_in_the_delivery_alone(
    own: RunwrightServer, bucket: tuple[str, Any]
) -> None:
    sink = {
        "type": "s3", "bucket": "none-such", "accessKeyId": "a", "secretAccessKey": "very-secret",
        "region": "us-east-1", "endpoint": bucket[0], "forcePathStyle": True,
    }  # fmt: skip
    run_id = own.start("p", "echo", sink=sink)
    found = _delivery(own, run_id)

    assert own.result("p", run_id)["status"] == "completed"
    assert found["delivery"]["status"] == "exhausted"
    assert "NoSuchBucket" in found["tries"][0]["error"]
    assert "very-secret" not in json.dumps(found)


def test_the_project_s_own_sink_takes_what_says_nothing(
    own: RunwrightServer, receiver: Receiver
) -> None:
    settings = {"defaults": {"sink": {"deployed": {"type": "webhook", "url": receiver.url,
                "headers": {"x-key": "in-the-settings"}}}}, "browser": "shell"}  # fmt: skip
    files = {**PROJECT, "Intuned.json": json.dumps(settings)}
    assert own.deploy("default-sink", files)["status"] == "ready"
    run_id = own.start("default-sink", "echo", {"n": 2})
    found = _delivery(own, run_id, "default-sink")

    assert found["delivery"]["status"] == "delivered"
    assert receiver.received[0][0]["x-key"] == "in-the-settings"


def _project_id(server: RunwrightServer) -> str:
    with server.client() as client:
        found = client.get("/projects").json()["projects"]
    return next(each["id"] for each in found if each["name"] == "p")


def test_canceled_runs_are_delivered_too(own: RunwrightServer, receiver: Receiver) -> None:
    waits = "import asyncio\nasync def automation(page, params):\n    await asyncio.sleep(300)\n"
    one_at_a_time = "[tool.runwright.replication]\nmax_concurrent_requests = 1\n"
    own.deploy("waits", {"api/waits.py": waits, "pyproject.toml": one_at_a_time})
    sink = {"type": "webhook", "url": receiver.url}
    started, waiting = (own.start("waits", "waits", sink=sink) for _ in range(2))
    eventually(lambda: own.detail(started)["status"] == "started")
    with own.client() as client:
        for run_id in (waiting, started):
            client.post(f"/projects/waits/run/{run_id}/cancel")
    eventually(lambda: len(receiver.received) == 2)

    outcomes = [json.loads(body)["apiInfo"]["result"]["error"] for _, body in receiver.received]
    assert outcomes == ["cancelled-user-action"] * 2
