"""Run plans: the request, completed by the Deployment. Changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from runwright.control.base import parameters
from runwright.domain import runs as domain
from runwright.domain.auth_sessions import SessionPlan
from runwright.domain.ids import RunId
from runwright.domain.projects import Deployment, Manifest, Project, ProjectSettings
from runwright.domain.runs import RunPlan, RunRequest
from runwright.errors import Forbidden, NotFound, Problem, ValidationError


def deployed(project: Project) -> tuple[Deployment, Manifest]:
    """The Deployment and Manifest that the project's Runs use.

    Raises:
        NotFound: nothing is deployed yet.
    """
    if project.current is None or project.current.manifest is None:
        raise NotFound(f"Nothing is deployed to the project `{project.name}` yet: deploy it first.")
    return project.current, project.current.manifest


def make(request: RunRequest, manifest: Manifest, run_id: RunId) -> RunPlan:
    """The plan of a Run, with the project's settings as defaults.

    Raises:
        Forbidden: the project accepts Runs from Jobs only.
        ValidationError: the Api is missing, the parameters do not match its schema, or the session is unsuitable.
    """
    settings = manifest.settings
    if not settings.is_api_access_enabled:
        raise Forbidden("This project accepts runs from jobs only: its API access is disabled.")
    api = manifest.api(request.api)
    if api is None:
        known = ", ".join(f"`{each.name}`" for each in manifest.apis[:10])
        raise ValidationError(
            [
                Problem(
                    path="api",
                    message=f"names no API of this project: {request.api!r}; it has {known}",
                )
            ]
        )
    schema = parameters.enforced(api, settings)
    if schema is not None and (found := parameters.problems(request.parameters, schema)):
        raise ValidationError(found)
    return RunPlan(
        api=request.api,
        parameters=request.parameters,
        proxy=request.proxy,
        save_trace=request.save_trace,
        save_har=request.save_har,
        request_timeout=request.request_timeout
        or settings.default_request_timeout
        or domain.DEFAULT_REQUEST_TIMEOUT,
        maximum_attempts=request.maximum_attempts or settings.default_maximum_attempts or 1,
        session=_session_plan(request.session, settings, run_id),
    )


def _session_plan(
    asked: SessionPlan | None, settings: ProjectSettings, run_id: RunId
) -> SessionPlan | None:
    if not settings.has_auth_sessions:
        if asked is not None:
            message = "is not allowed, because this project has no auth sessions: omit it"
            raise ValidationError([Problem(path="authSession", message=message)])
        return None
    if asked is None:
        message = "is missing: every run of this project needs an auth session"
        raise ValidationError([Problem(path="authSession", message=message)])
    if asked.parameters is not None and not settings.can_create_sessions:
        message = (
            "is not allowed, because this project has no `auth-sessions/create.py` to sign in with"
        )
        raise ValidationError([Problem(path="authSession.runtimeInput", message=message)])
    every = asked.check_every
    return replace(
        asked,
        # An unnamed session belongs to this Run only, and has its ID.
        id=asked.id or run_id,
        check_every=timedelta(seconds=settings.session_check_every) if every is None else every,
        save_trace=settings.save_session_traces if asked.save_trace is None else asked.save_trace,
    )
