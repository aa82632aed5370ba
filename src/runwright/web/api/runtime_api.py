"""Routes that authors' code calls during its Attempt, and the signed links to files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from typing_extensions import TypedDict

from runwright.control.base.platform import Platform
from runwright.control.runs import author_calls
from runwright.control.runs.author_calls import READ, WRITE, Author
from runwright.errors import NotFound, Problem, Unauthorized, ValidationError
from runwright.web.server import bodies

_BASE = "/api/{workspace_id}/functions/{project_id}"
_FILE = "/files/{run_id}/{attempt}/{upload_id}"
_WRITE_LIFE = timedelta(hours=1)
_READ_LIFE = timedelta(days=7)
_LARGEST_TIME = 2**40

routes = APIRouter(tags=["authors"])


class EntryAnswer(TypedDict):
    """The value of a key: null, or an object that contains it."""

    value: dict[str, Any] | None


class ParametersAnswer(TypedDict):
    """The parameters that the Run's AuthSession was created from."""

    parameters: dict[str, Any]


class UploadAnswer(TypedDict):
    """Where to upload a file, and where to read it afterwards."""

    id: str
    writeSignedUrl: str
    readSignedUrl: str


async def _author(
    request: Request,
    workspace_id: str,
    project_id: str,
    authorization: Annotated[str | None, Header()] = None,
) -> Author:
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.isascii():
        raise Unauthorized("Send the attempt's token as `Authorization: Bearer …`.")
    return await author_calls.identify(request.app.state.platform, secret, workspace_id, project_id)


Calling = Annotated[Author, Depends(_author)]


def _linked(wanted: str) -> Callable[..., Awaitable[str]]:
    """A dependency that yields the subject of a link valid for the purpose."""

    async def subject(  # noqa: PLR0913, PLR0917 - the parts of a link
        request: Request,
        run_id: str,
        attempt: int,
        upload_id: str,
        expires: Annotated[int, Query(ge=0, le=_LARGEST_TIME)],
        signature: str,
        purpose: str = "",
    ) -> str:
        found = f"{run_id}/{attempt}/{upload_id}"
        platform: Platform = request.app.state.platform
        author_calls.check_link(platform, purpose, wanted, found, expires, signature)
        return found

    return subject


ToRead = Annotated[str, Depends(_linked(READ))]
ToWrite = Annotated[str, Depends(_linked(WRITE))]


@routes.get(f"{_BASE}/kv-store/{{key:path}}", response_model=EntryAnswer)
async def get_value(request: Request, author: Calling, key: str) -> Response:
    """Get a value from the project's persistent store."""
    return await _get(request, author, "kv-store", key)


@routes.put(f"{_BASE}/kv-store/{{key:path}}", openapi_extra=bodies.documented(bodies.JSON, {}))
async def put_value(request: Request, author: Calling, key: str) -> Response:
    """Store a value in the project's persistent store."""
    return await _put(request, author, "kv-store", key)


@routes.get(f"{_BASE}/cache/{{key:path}}", response_model=EntryAnswer)
async def get_cached(request: Request, author: Calling, key: str) -> Response:
    """Get a value from the project's cache."""
    return await _get(request, author, "cache", key)


@routes.put(f"{_BASE}/cache/{{key:path}}", openapi_extra=bodies.documented(bodies.JSON, {}))
async def put_cached(request: Request, author: Calling, key: str) -> Response:
    """Store a value in the project's cache."""
    return await _put(request, author, "cache", key)


@routes.get(f"{_BASE}/auth-session/{{session_id}}/parameters", response_model=ParametersAnswer)
async def session_parameters(request: Request, author: Calling, session_id: str) -> Response:
    """Get the parameters of the Run's AuthSession."""
    found = await author_calls.session_parameters(request.app.state.platform, author, session_id)
    body: ParametersAnswer = {"parameters": found}
    return bodies.answer(body)


@routes.get(f"{_BASE}/files/uploadSignedUrls", response_model=UploadAnswer)
async def new_upload(request: Request, author: Calling) -> Response:
    """Create links to upload a file that stays with the Run, and to read it."""
    platform: Platform = request.app.state.platform
    subject = author_calls.new_upload(author)
    now = datetime.now(UTC)
    origin = str(request.base_url).rstrip("/")
    body: UploadAnswer = {
        "id": subject.rpartition("/")[2],
        "writeSignedUrl": origin + author_calls.link(platform, WRITE, subject, now + _WRITE_LIFE),
        "readSignedUrl": origin + author_calls.link(platform, READ, subject, now + _READ_LIFE),
    }
    return bodies.answer(body)


@routes.put(
    _FILE,
    status_code=204,
    openapi_extra=bodies.documented("application/octet-stream", {"type": "string"}),
)
async def upload(request: Request, subject: ToWrite) -> Response:
    """Upload a file by signed link."""
    platform: Platform = request.app.state.platform
    path = await bodies.to_file(request, platform.settings.max_file_bytes)
    try:
        await author_calls.keep_upload(platform, subject, path)
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)
    return Response(status_code=204)


@routes.get(
    _FILE,
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}},
)
async def download(request: Request, subject: ToRead) -> Response:
    """Download a file by signed link."""
    platform: Platform = request.app.state.platform
    if not await platform.blobs.exists(f"runs/{subject}"):
        raise NotFound("No file was uploaded here, or it has been pruned.")
    return StreamingResponse(
        await platform.blobs.read(f"runs/{subject}"),
        media_type="application/octet-stream",
        headers={"content-disposition": "attachment", "x-content-type-options": "nosniff"},
    )


async def _get(request: Request, author: Author, store: str, key: str) -> Response:
    found = await author_calls.get_entry(request.app.state.platform, author, store, key)
    return bodies.answer({"value": found})


async def _put(request: Request, author: Author, store: str, key: str) -> Response:
    value = await bodies.read_json(request)
    if not isinstance(value, dict) or "value" not in value:
        raise ValidationError([Problem(path="value", message="is missing")])
    await author_calls.put_entry(request.app.state.platform, author, store, key, value["value"])
    return bodies.answer({})
