"""Files of a Run: downloads, pictures, the last screenshot, and traces in the viewer."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from runwright.control.runs import author_calls, last_pictures, runs
from runwright.domain.ids import LARGEST_ROW_ID
from runwright.domain.runs import RunDetail, RunFile
from runwright.errors import NotFound
from runwright.web.dashboard.kit import pages
from runwright.web.dashboard.kit.identity import Reader, User, mount
from runwright.web.dashboard.kit.registration import Page
from runwright.web.dashboard.kit.route import Route
from runwright.web.dashboard.run.run import Flag

routes = APIRouter(route_class=Route)
PAGE = Page(routes=routes)

PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
"""Types shown in the page; everything else is a download."""
_KEPT = {"cache-control": "private, max-age=3600"}


@routes.get("/projects/{name}/runs/{run_id}/files/{file_id}")
async def file(
    user: Reader,
    name: str,
    run_id: str,
    file_id: int,
    show: Flag = False,  # noqa: FBT002
) -> Response:
    """Serve a file as a download, or a picture inline."""
    project = await user.project(name)
    found = await runs.file(user.platform, project.id, run_id, min(max(file_id, 0), LARGEST_ROW_ID))
    kind = PICTURES.get(found.name.rpartition(".")[2].lower()) if show else None
    plain = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\' else "_"
        for char in found.name
    )
    how = "attachment" if kind is None else "inline"
    return StreamingResponse(
        await runs.open_file(user.platform, found),
        media_type=kind or "application/octet-stream",
        headers={
            "content-disposition": f'{how}; filename="{plain}"',
            "content-length": str(found.size_bytes),
            "content-security-policy": "default-src 'none'; sandbox",
        },
    )


@routes.get("/projects/{name}/runs/{run_id}/last-picture/{attempt}")
async def last_picture(user: Reader, name: str, run_id: str, attempt: int) -> Response:
    """Serve the last screenshot of an Attempt, taken from its trace."""
    trace = _trace(await _detail(user, name, run_id), attempt)
    picture = await last_pictures.get(user.platform, trace)
    return Response(picture, media_type="image/jpeg", headers=_KEPT)


@routes.get("/projects/{name}/runs/{run_id}/trace/{attempt}")
async def trace(user: Reader, name: str, run_id: str, attempt: int) -> Response:
    """Show an Attempt's trace in Playwright's viewer."""
    detail = await _detail(user, name, run_id)
    found = _trace(detail, attempt)
    link = mount(user.request) + author_calls.file_link(user.platform, found)
    return pages.for_user(
        user,
        "trace.html",
        active="projects",
        tab="runs",
        project=await user.project(name),
        run=detail.run,
        file=found,
        traces={each.attempt: each for each in detail.files if each.kind == "trace"},
        source=str(user.request.base_url.replace(path="")).rstrip("/") + link,
    )


async def _detail(user: User, name: str, run_id: str) -> RunDetail:
    project = await user.project(name)
    return await runs.detail(user.platform, user.workspace_id, run_id, project_id=project.id)


def _trace(detail: RunDetail, attempt: int) -> RunFile:
    found = [each for each in detail.files if each.kind == "trace" and each.attempt == attempt]
    if not found:
        raise NotFound(
            f"Attempt {attempt} of run `{detail.run.id}` has no trace: it was not kept or is not saved yet."
        )
    return found[-1]
