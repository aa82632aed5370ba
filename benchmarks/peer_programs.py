"""What runs the automation elsewhere, as people write it by hand: programs for environments of their own."""

from __future__ import annotations

SCRIPT = '''\
"""The automation as a script: python script.py URL EXECUTABLE; prints when it began and what it found."""
import asyncio, json, sys, time
from playwright.async_api import async_playwright

async def automation(page, url):
    began = time.time()
    await page.goto(url)
    return {"began": began, "heading": await page.inner_text("h1")}

async def main():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=sys.argv[2], chromium_sandbox=False, args=["--window-size=1280,800"])
        page = await (await browser.new_context(no_viewport=True)).new_page()
        print(json.dumps(await automation(page, sys.argv[1])), flush=True)
        await browser.close()

if __name__ == "__main__":
    asyncio.run(main())
'''

SPAWNER = '''\
"""A daemon in the manner of Scrapyd: POST / starts a subprocess for the job, GET /ID tells its result."""
import json, subprocess, sys, threading, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

results, slots = {}, threading.Semaphore(4)

def carry_out(job, arguments):
    with slots:
        done = subprocess.run([sys.executable, "script.py", *arguments], capture_output=True, text=True)
    results[job] = done.stdout

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        arguments = json.loads(self.rfile.read(int(self.headers["content-length"])))
        job = uuid.uuid4().hex
        threading.Thread(target=carry_out, args=(job, arguments)).start()
        self.say(job)
    def do_GET(self):
        self.say(results.get(self.path[1:], ""))
    def say(self, text):
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
'''

PROCRASTINATE = '''\
"""Procrastinate with a warm browser: `work` carries jobs out, `serve` puts them in and tells results over HTTP."""
import asyncio, json, sys
import procrastinate
from psycopg_pool import AsyncConnectionPool
from script import automation

URL = sys.argv[2]
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))
state = {}

@app.task(name="heading", retry=False)
async def heading(key, url):
    context = await state["browser"].new_context(no_viewport=True)
    found = await automation(await context.new_page(), url)
    async with state["pool"].connection() as connection:
        await connection.execute("INSERT INTO results VALUES (%s, %s)", (key, json.dumps(found)))
    await context.close()

async def work():
    from playwright.async_api import async_playwright
    async with async_playwright() as playwright, app.open_async():
        state["pool"] = AsyncConnectionPool(URL, open=False)
        await state["pool"].open()
        state["browser"] = await playwright.chromium.launch(executable_path=sys.argv[3], chromium_sandbox=False, args=["--window-size=1280,800"])
        print("ready", flush=True)
        await app.run_worker_async(concurrency=4, wait=True)

async def serve():
    pool = AsyncConnectionPool(URL, open=False, min_size=2, max_size=8)
    await pool.open()
    async with app.open_async():
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS results (key text PRIMARY KEY, found text)")
        try:
            await app.schema_manager.apply_schema_async()
        except Exception as error:
            print(error, file=sys.stderr)
        async def answer(reader, writer):
            while line := await reader.readline():
                asked = json.loads(line)
                if "url" in asked:
                    await heading.defer_async(key=asked["key"], url=asked["url"])
                    found = "{}"
                else:
                    async with pool.connection() as connection:
                        row = await (await connection.execute("SELECT found FROM results WHERE key = %s", (asked["key"],))).fetchone()
                    found = row[0] if row else "{}"
                writer.write(found.encode() + b"\\n")
                await writer.drain()
        server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[4]))
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(work() if sys.argv[1] == "work" else serve())
'''

PREFECT = '''\
"""Prefect: a served flow, which starts a process for each run."""
import sys, time
from prefect import flow

@flow(persist_result=True, log_prints=False)
async def heading(url: str, executable: str, target: str):
    import json
    from pathlib import Path
    from playwright.async_api import async_playwright
    from script import automation
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, chromium_sandbox=False, args=["--window-size=1280,800"])
        page = await (await browser.new_context(no_viewport=True)).new_page()
        found = await automation(page, url)
        await browser.close()
    part = Path(target + ".part")
    part.write_text(json.dumps(found))
    part.rename(target)

if __name__ == "__main__":
    heading.serve(name="bench", limit=4, print_starting_message=False)
'''
