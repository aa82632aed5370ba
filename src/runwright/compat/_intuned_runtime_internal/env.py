"""Platform URL, workspace, project and token, each read from the Attempt's environment."""

from __future__ import annotations

import os


def get_functions_domain() -> str | None:
    """The platform's URL."""
    return os.environ.get("FUNCTIONS_DOMAIN")


def get_workspace_id() -> str | None:
    """The workspace's id."""
    return os.environ.get("INTUNED_WORKSPACE_ID")


def get_project_id() -> str | None:
    """The project's id."""
    return os.environ.get("INTUNED_PROJECT_ID")


def get_auth_token() -> str | None:
    """The Attempt's own token."""
    return os.environ.get("INTUNED_AUTH_TOKEN")


def get_api_key() -> str | None:
    """The API key that an author may have set as a variable."""
    return os.environ.get("INTUNED_API_KEY")
