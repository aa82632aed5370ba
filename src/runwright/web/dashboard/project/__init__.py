"""Pages of a project: Deployments, AuthSessions, variables, Deliveries, the recorder."""

from __future__ import annotations
