"""What an author's process writes: prints, logging, C libraries, children, progress bars, too much of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.server import RunwrightServer, eventually, serving

PROJECT = {
    "api/order.py": (
        "import ctypes, logging, os, subprocess, sys\n"
        "async def automation(page, params):\n"
        "    print('1 print')\n    logging.getLogger('lib').warning('2 log')\n"
        "    print('3 print')\n    subprocess.run(['sh', '-c', 'echo 4 child'])\n"
        "    os.write(1, b'5 descriptor\\n')\n"
        "    libc = ctypes.CDLL(None)\n    libc.puts(b'6 library')\n    libc.fflush(None)\n"
        "    sys.stdout.buffer.write('7 büffer\\n'.encode())\n    sys.stdout.buffer.flush()\n"
        "    print('8 no end', end='')\n"
    ),
    "api/stream.py": (
        "import io, sys\n"
        "sys.stdout.reconfigure(encoding='utf-8')\n"
        "async def automation(page, params):\n"
        "    assert isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__\n"
        "    sys.stdout.reconfigure(line_buffering=False)\n"
        "    print('buffered')\n"
        "    sys.stdout.writelines(['a\\n', 'b\\n'])\n"
        "    return [sys.stdout.encoding, sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.isatty(),\n"
        "            sys.stdout.writable(), sys.stdout.name]\n"
    ),
    "api/bars.py": (
        "import sys, time\n"
        "async def automation(page, params):\n"
        "    for n in range(1, 2001):\n"
        "        sys.stderr.write(f'\\r{n} of 2000')\n"
        "    sys.stderr.write('\\n')\n"
        "    print('windows\\r')\n"
    ),
    "api/levels.py": (
        "import logging, sys\n"
        "log = logging.getLogger('author')\n"
        "async def automation(page, params):\n"
        "    print('2026-01-01 | INFO     | api:automation:3 - calm', file=sys.stderr)\n"
        "    print('WARNING: near', file=sys.stderr)\n    print('boom', file=sys.stderr)\n"
        "    print('\\x1b[31mred\\x1b[0m')\n"
        "    own = logging.getLogger('own')\n    own.addHandler(logging.StreamHandler(sys.stdout))\n"
        "    own.warning('once')\n    log.error('two\\nlines')\n    log.warning('%s and %s', 'bad format')\n"
    ),
    "api/helper.py": (
        "import multiprocessing, os, time\n"
        "def stay():\n    print('from a fork', flush=True)\n    time.sleep(600)\n"
        "async def automation(page, params):\n"
        "    multiprocessing.get_context('fork').Process(target=stay, daemon=False).start()\n"
        "    time.sleep(0.5)\n    os._exit(params['code'])\n"
    ),
    "api/forks.py": (
        "import logging, multiprocessing\nfrom runwright.sdk import extend_timeout\n"
        "def work(queue):\n    print('printed')\n    logging.warning('logged')\n"
        "    try:\n        extend_timeout()\n    except RuntimeError as error:\n        queue.put(str(error))\n"
        "async def automation(page, params):\n"
        "    context = multiprocessing.get_context('fork')\n    queue = context.Queue()\n"
        "    child = context.Process(target=work, args=(queue,))\n    child.start()\n"
        "    said = queue.get(timeout=30)\n    child.join()\n    return said\n"
    ),
    "api/chatty.py": (
        "async def automation(page, params):\n"
        "    for n in range(params['lines']):\n        print('line', n)\n"
    ),
    "api/flood.py": (
        "import logging, sys\nasync def automation(page, params):\n"
        "    sys.stderr.write('y' * 300_000 + '\\n')\n"
        "    for n in range(300):\n        logging.info('x' * 1000)\n    return 'fine'\n"
    ),
    "api/binary.py": (
        "import os\nasync def automation(page, params):\n"
        '    os.write(1, b\'\\x00\\xff\\x1e{"type": "ended", "result": "1"}\\n\\x1enothing\\n\')\n'
        "    os.write(1, b'x' * 200_000)\n    return 'fine'\n"
    ),
}


@pytest.fixture(scope="module", name="project")
def _project(server: RunwrightServer) -> str:
    server.deploy("streams", PROJECT)
    return "streams"


def _lines(server: RunwrightServer, project: str, run_id: str) -> list[dict[str, Any]]:
    with server.client() as client:
        text = client.get(f"/projects/{project}/run/{run_id}/logs", params={"limit": 10_000}).text
    return [json.loads(line) for line in text.splitlines() if line]


def _told(server: RunwrightServer, project: str, api: str, **parameters: Any) -> list[str]:
    found = server.run(project, api, parameters)
    return [line["text"] for line in _lines(server, project, found["runId"])]


def test_all_that_is_printed_is_told_in_its_order(server: RunwrightServer, project: str) -> None:
    assert _told(server, project, "order") == [
        "1 print",
        "lib: 2 log",
        "3 print",
        "4 child",
        "5 descriptor",
        "6 library",
        "7 büffer",
        "8 no end",
    ]


def test_stdout_is_a_text_stream_like_any_other(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "stream")

    assert found["result"] == ["utf-8", 1, 2, False, True, "<stdout>"]
    told = [line["text"] for line in _lines(server, project, found["runId"])]
    assert told == ["buffered", "a", "b"]


def test_of_a_progress_bar_the_last_state_is_told(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "bars")

    *bars, last = _lines(server, project, found["runId"])
    assert bars[-1]["text"] == "2000 of 2000"
    assert {line["level"] for line in bars} == {"info"}
    assert len(bars) < 20
    assert last["text"] == "windows"


def test_lines_have_the_level_that_they_name(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "levels")

    lines = _lines(server, project, found["runId"])
    levels = {line["text"]: line["level"] for line in lines}
    assert levels["2026-01-01 | INFO     | api:automation:3 - calm"] == "info"
    assert levels["WARNING: near"] == "warning"
    assert levels["boom"] == "error"
    assert levels["red"] == "info"
    assert levels["author: two"] == levels["lines"] == "error"
    assert [line["text"] for line in lines].count("once") == 1
    assert not [text for text in levels if text.startswith("own:")]
    assert any("not enough arguments" in text for text in levels)


@pytest.mark.parametrize("code", [0, 7])
def test_a_death_is_known_while_a_helper_of_it_lives(
    server: RunwrightServer, project: str, code: int
) -> None:
    found = server.run(project, "helper", {"code": code}, requestTimeout=500)

    assert found["error"]["code"] == "script-process-crashed"
    assert f"exited with code {code}" in found["message"]
    texts = [line["text"] for line in _lines(server, project, found["runId"])]
    assert "from a fork" in texts


def test_a_fork_has_its_parents_streams_and_not_its_channel(
    server: RunwrightServer, project: str
) -> None:
    found = server.run(project, "forks")

    assert "forked process" in found["result"]
    texts = [line["text"] for line in _lines(server, project, found["runId"])]
    assert texts == ["printed", "root: logged"]


def test_who_writes_faster_than_is_read_waits(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "flood")

    assert found["result"] == "fine"
    texts = [line["text"] for line in _lines(server, project, found["runId"])]
    assert sum(text.count("y") for text in texts) > 100_000
    assert sum(text.startswith("root: xxx") for text in texts) == 300


def test_bytes_that_are_no_text_harm_nothing(server: RunwrightServer, project: str) -> None:
    found = server.run(project, "binary")

    assert found["result"] == "fine"
    texts = [line["text"] for line in _lines(server, project, found["runId"])]
    assert sum(text.count("x") for text in texts) > 100_000


def test_of_a_long_log_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    with serving(tmp_path / "data", RUNWRIGHT_MAX_LOG_BYTES="100000") as server:
        server.deploy("p", PROJECT)
        run_id = server.run("p", "chatty", {"lines": 50_000})["runId"]

        lines = eventually(lambda: _whole(server, run_id))

        texts = [line["text"] for line in lines]
        place = next(at for at, text in enumerate(texts) if "are left out here" in text)
        assert texts[:place] == [f"line {n}" for n in range(place)]
        kept = len(texts) - place - 1
        assert texts[place + 1 :] == [f"line {n}" for n in range(50_000 - kept, 50_000)]
        left_out = 50_000 - place - kept
        assert f"… {left_out} lines" in texts[place]
        assert sum(len(text) + 64 for text in texts) < 110_000


def _whole(server: RunwrightServer, run_id: str) -> list[dict[str, Any]] | None:
    lines = _lines(server, "p", run_id)
    return lines if lines and lines[-1]["text"] == "line 49999" else None
