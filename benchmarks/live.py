"""How far the live view is behind, and what watching costs the Run that is watched.

The page that is watched writes a number in squares, black and white, and notes when. The person's browser
shows the live view; a script in it reads the squares off the canvas and notes when it sees another number. Both
take the time from the same machine's clock, so the difference is the whole way: painting, JPEG, Runner,
Worker, server, WebSocket, decoding, canvas.

    python benchmarks/live.py [changes]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bare
import served
from playwright.async_api import Browser, Page
from rich.console import Console
from rich.table import Table

from runwright import config
from runwright.execution.runners import browsers

console = Console()

_BITS = 10
_SQUARE = 40
_PAGE = """\
<!doctype html><title>Numbers</title>
<style>body { margin: 0; font: 16px sans-serif } i { position: absolute; top: 0; width: 40px; height: 40px }
  main { padding: 60px; columns: 3 }</style>
<body><main></main><script>
  for (let n = 0; n < 150; n++) document.querySelector("main").append(`Line ${n} of a page like many others. `);
  const squares = [...Array(BITS)].map((_, n) => {
    const square = document.body.appendChild(document.createElement("i"));
    square.style.left = `${n * SQUARE}px`;
    return square;
  });
  window.changes = {};
  window.show = (number) => {
    squares.forEach((square, n) => { square.style.background = number >> n & 1 ? "black" : "white"; });
    window.changes[number] = Date.now();
  };
  addEventListener("keydown", () => show(Math.max(0, ...Object.keys(changes)) + 1));
  show(0);
</script>
"""
_PROJECT = {
    "api/numbers.py": f"""
import asyncio, random, statistics, time
PAGE = {_PAGE.replace("BITS", str(_BITS)).replace("SQUARE", str(_SQUARE))!r}
async def automation(page, params):
    await page.set_content(PAGE)
    steps = []
    if params['changes']:
        await page.wait_for_function('changes[1]', timeout=60_000)
    for number in range(2, params['changes'] + 2):
        await asyncio.sleep(0.15 + random.random() * 0.1)
        begun = time.perf_counter()
        await page.evaluate(f'show({{number}})')
        steps.append((time.perf_counter() - begun) * 1000)
    await asyncio.sleep(1)
    while params.get('keys') and not await page.evaluate(f"changes[{{params['keys']}}]"):
        await asyncio.sleep(0.2)
    return {{'changes': await page.evaluate('changes'), 'step': statistics.median(steps or [0])}}
""",
    "api/steps.py": """
import statistics, time
async def automation(page, params):
    await page.set_content('<body>' + '<p>A page like many others.</p>' * 200)
    if params['moves']:
        await page.evaluate("setInterval(() => { document.body.style.background = `hsl(${Date.now() % 360}, 90%, 80%)` }, 16)")
    steps, ends = [], time.monotonic() + 6
    while time.monotonic() < ends:
        begun = time.perf_counter()
        await page.evaluate('document.querySelectorAll("p").length')
        await page.inner_text('p >> nth=100')
        steps.append((time.perf_counter() - begun) * 1000)
    return [statistics.median(steps), len(steps)]
""",
}
_WATCH = f"""\
() => {{
  const canvas = document.querySelector("[data-live-canvas]");
  const context = canvas.getContext("2d");
  window.seen = {{}};
  const read = () => {{
    const pixels = context.getImageData(0, {_SQUARE // 2}, {_BITS * _SQUARE}, 1).data;
    let number = 0;
    for (let n = 0; n < {_BITS}; n++) if (pixels[(n * {_SQUARE} + {_SQUARE // 2}) * 4] < 128) number |= 1 << n;
    window.seen[number] ??= Date.now();
  }};
  setInterval(read, 4);
}}
"""


async def main() -> None:
    """Measure and print."""
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    settings = config.read()
    executable = browsers.find(settings).executable(is_shell=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        served.serving(Path(directory) / "data") as server,
    ):
        async with bare.launched(executable, sandbox=not config.is_root()) as browser:
            await served.deploy(server, "live", **_PROJECT)
            await _behind(server, browser, changes)
            await _cost(server, browser)


async def _behind(server: served.Server, browser: Browser, changes: int) -> None:
    run_id = await _start(server, "numbers", {"changes": changes})
    async with _watched(server, browser, run_id) as page:
        await page.evaluate(_WATCH)
        await page.get_by_role("button", name="Take control").click()
        await page.get_by_role("button", name="Give back").wait_for()
        await page.locator("[data-live-canvas]").click(position={"x": 300, "y": 300})
        await page.keyboard.press("a")
        result = await _result(server, run_id)
        seen = await page.evaluate("seen")
    shown = {int(number): at for number, at in result["changes"].items()}
    found = [seen[str(n)] - at for n, at in shown.items() if n > 1 and str(n) in seen]
    pressed = await _keys(server, browser)
    table = Table("ms behind, on loopback", "n", "p50", "p90", "p99", "max")
    for name, values in (("change → seen", found), ("key → seen", pressed)):
        ordered = sorted(values)
        at = [ordered[min(len(ordered) * share // 100, len(ordered) - 1)] for share in (50, 90, 99)]
        table.add_row(name, str(len(values)), *(f"{each:.0f}" for each in (*at, ordered[-1])))
    console.print(table)
    console.print(f"{len(shown) - 2 - len(found)} of {changes} changes were never seen")


async def _keys(server: served.Server, browser: Browser, count: int = 60) -> list[float]:
    """Return how long after the person's key its effect is seen, in milliseconds."""
    run_id = await _start(server, "numbers", {"changes": 0, "keys": count})
    found: list[float] = []
    async with _watched(server, browser, run_id) as page:
        await page.evaluate(_WATCH)
        await page.get_by_role("button", name="Take control").click()
        await page.get_by_role("button", name="Give back").wait_for()
        await page.locator("[data-live-canvas]").click(position={"x": 300, "y": 300})
        for number in range(1, count + 1):
            at = await page.evaluate("Date.now()")
            await page.keyboard.press("a")
            await page.wait_for_function(f"seen[{number}]", polling=5)
            found.append(await page.evaluate(f"seen[{number}]") - at)
            await asyncio.sleep(0.1)
        await _result(server, run_id)
    return found


async def _cost(server: served.Server, browser: Browser) -> None:
    table = Table("a step of the automation, ms (median)", "nobody watches", "watched", "ratio")
    for moves in (False, True):
        alone: list[float] = []
        watched: list[float] = []
        for _ in range(3):
            run_id = await _start(server, "steps", {"moves": moves})
            alone.append((await _result(server, run_id))[0])
            run_id = await _start(server, "steps", {"moves": moves})
            async with _watched(server, browser, run_id):
                watched.append((await _result(server, run_id))[0])
        before, after = statistics.median(alone), statistics.median(watched)
        name = "the page changes 60 times a second" if moves else "the page stands still"
        table.add_row(name, f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}")
    console.print(table)


async def _start(server: served.Server, api: str, parameters: dict[str, Any]) -> str:
    async with server.client() as client:
        body = {"api": api, "parameters": parameters, "saveTrace": False}
        return (await client.post("/projects/live/run/start", json=body)).json()["runId"]


async def _result(server: served.Server, run_id: str) -> Any:
    async with server.client() as client:
        while True:
            path = f"/projects/live/run/{run_id}/result"
            found = (await client.get(path, params={"wait": 30})).json()
            if found["status"] not in ("pending", "started"):
                return found["result"]


@asynccontextmanager
async def _watched(server: served.Server, browser: Browser, run_id: str) -> AsyncGenerator[Page]:
    """Open the live view of a Run, signed in, until the block ends."""
    origin = server.base.partition("/api/")[0]
    context = await browser.new_context(viewport={"width": 1400, "height": 1100}, bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{origin}/sign-in")
    await page.get_by_label("API key").fill(server.api_key)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.goto(f"{origin}/projects/live/runs/{run_id}/live")
    await page.locator("[data-live-stage]:not(.empty-stage)").wait_for()
    try:
        yield page
    finally:
        await context.close()


if __name__ == "__main__":
    began = time.monotonic()
    asyncio.run(main())
    console.print(f"measured in {time.monotonic() - began:.0f} s")
