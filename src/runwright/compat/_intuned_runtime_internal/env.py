"""Which platform, workspace, project and token: each from the Attempt's environment."""

from __future__ import annotations

import os


def get_functions_domain() -> str | None:
    """Return the platform's address."""
    return os.environ.get("FUNCTIONS_DOMAIN")


def get_workspace_id() -> str | None:
    """Return the workspace's id."""
    return os.environ.get("INTUNED_WORKSPACE_ID")


def get_project_id() -> str | None:
    """Return the project's id."""
    return os.environ.get("INTUNED_PROJECT_ID")


def get_auth_token() -> str | None:
    """Return the Attempt's own token."""
    return os.environ.get("INTUNED_AUTH_TOKEN")


def get_api_key() -> str | None:
    """Return the key that an author may have set as a variable."""
    return os.environ.get("INTUNED_API_KEY")
