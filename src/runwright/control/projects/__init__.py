"""Projects, their Deployments and variables. Building a Deployment is `execution.flows`."""

from __future__ import annotations
