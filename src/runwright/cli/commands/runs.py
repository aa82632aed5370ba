"""Commands for Runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from runwright.cli import output
from runwright.cli.client import Client, connect
from runwright.domain.text import strict_json
from runwright.errors import ConfigError

app = typer.Typer(help="List, show and cancel Runs.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The Run's id.")]


def run(
    project: Annotated[str, typer.Argument(help="The project's name.")],
    api: Annotated[str, typer.Argument(help="The API, such as `rows` or `folder/name`.")],
    params: Annotated[
        str, typer.Option(help="Parameters: JSON, @FILE, or - for standard input.")
    ] = "{}",
    auth_session: Annotated[str | None, typer.Option(help="The auth session to use.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the Run's id without waiting.")
    ] = False,
) -> None:
    """Start a Run, follow its log, and print its result as JSON."""
    client = connect()
    body: dict[str, Any] = {"api": api, "parameters": read_parameters(params)}
    if auth_session is not None:
        body["authSession"] = {"id": auth_session}
    run_id = client.json("POST", f"/projects/{project}/run/start", json=body)["runId"]
    if detach:
        print(run_id)
        return
    output.say(f"— run {run_id}")
    _follow(client, project, run_id)
    result = client.json("GET", f"/projects/{project}/run/{run_id}/result")
    if result["status"] != "completed":
        _print_failure(result)
        raise typer.Exit(1)
    print(json.dumps(result["result"], indent=2, ensure_ascii=False))


def logs(
    run_id: RunId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the Run has ended.")
    ] = False,
) -> None:
    """Print the log of a Run."""
    client = connect()
    project = client.json("GET", f"/runs/{run_id}")["project"]
    if follow:
        _follow(client, project, run_id)
        return
    after = 0
    while text := client.call(
        "GET", f"/projects/{project}/run/{run_id}/logs", params={"after": after}
    ).text:
        for line in text.splitlines():
            found = json.loads(line)
            after = found["id"]
            _print_line(found)


@app.command("list")
def list_runs(
    project: Annotated[str, typer.Argument(help="The project's name.")],
    status: Annotated[str | None, typer.Option(help="Only Runs with this status.")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number to list.")] = 20,
    as_json: output.AsJson = False,
) -> None:
    """List the newest Runs of a project."""
    params = {"limit": limit, **({"status": status} if status else {})}
    found = connect().json("GET", f"/projects/{project}/runs", params=params)["runs"]
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            each["runId"],
            each["api"],
            each["status"],
            str(each["attempt"]),
            output.moment(each["createdAt"]),
            output.moment(each["endedAt"]),
        )
        for each in found
    ]
    output.table(("run", "api", "status", "attempt", "created", "ended"), rows)


@app.command()
def show(run_id: RunId) -> None:
    """Print everything about a Run as JSON."""
    print(json.dumps(connect().json("GET", f"/runs/{run_id}"), indent=2, ensure_ascii=False))


@app.command()
def cancel(run_id: RunId) -> None:
    """Cancel a Run."""
    client = connect()
    project = client.json("GET", f"/runs/{run_id}")["project"]
    print(client.json("POST", f"/projects/{project}/run/{run_id}/cancel")["status"])


@app.command()
def answer(
    run_id: RunId,
    text: Annotated[
        str | None, typer.Argument(help="The answer; prompts for it if omitted.")
    ] = None,
    done: Annotated[
        bool, typer.Option("--done", help="Confirm that it is done, without typing an answer.")
    ] = False,
) -> None:
    """Answer a Run's question to a person."""
    client = connect()
    found = client.json("GET", f"/runs/{run_id}")
    question = found["question"]
    if question is None:
        output.say("error: the run has no open question")
        raise typer.Exit(1)
    if text is None and not done:
        text = typer.prompt(question["text"], hide_input=question["isSecret"], err=True)
    body = {"answer": text or "", "questionId": question["id"]}
    client.json("POST", f"/projects/{found['project']}/run/{run_id}/answer", json=body)


traces = typer.Typer(help="View traces.", no_args_is_help=True)


@traces.command("open")
def open_trace(run_id: RunId) -> None:
    """Open the trace of a Run's last Attempt in Playwright's viewer."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trace.zip"
        trace(run_id, file)
        command = [sys.executable, "-m", "playwright", "show-trace", str(file)]
        if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - our own interpreter
            raise typer.Exit(1)


@app.command()
def trace(
    run_id: RunId,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")] = Path(
        "trace.zip"
    ),
) -> None:
    """Download the trace of a Run's last Attempt."""
    client = connect()
    found = client.json("GET", f"/runs/{run_id}")
    traces = [file for file in found["files"] if file["kind"] == "trace"]
    if not traces:
        print("error: this run has no trace (yet)", file=sys.stderr)
        raise typer.Exit(1)
    path = f"/projects/{found['project']}/run/{run_id}/files/{traces[-1]['id']}"
    output.write_bytes(client.call("GET", path).content)
    print(f"{output} — open it with `playwright show-trace {output}`")


def _follow(client: Client, project: str, run_id: str) -> None:
    for name, body in client.events(f"/projects/{project}/run/{run_id}/events"):
        if name == "log":
            _print_line(body)
        else:
            print(f"— {body['status']}", file=sys.stderr)


def _print_line(line: dict[str, Any]) -> None:
    print(f"{line['at'][11:23]} {line['level']:7} {line['text']}", file=sys.stderr)


def _print_failure(result: dict[str, Any]) -> None:
    failed: Any = result.get("error") or {}
    details: Any = failed.get("details") or {}
    print(f"error: the run {result['status']}: {result.get('message')}", file=sys.stderr)
    if traceback := details.get("traceback"):
        print(traceback, file=sys.stderr)


def read_parameters(text: str) -> dict[str, Any]:
    """Read parameters given as JSON, `@FILE`, or `-` for standard input.

    Raises:
        ConfigError: they are not a JSON object.
    """
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    try:
        value = strict_json.read(text)
    except ValueError as error:
        raise ConfigError(f"--params is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError("--params must be a JSON object.")
    return value  # pyright: ignore[reportUnknownVariableType]
