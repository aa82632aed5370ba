"""Pages of a project: Deployments, AuthSessions, variables, Deliveries, the recorder. Its Runs are in `run`."""

from __future__ import annotations
