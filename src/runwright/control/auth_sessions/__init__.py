"""AuthSessions and their operations. What a Worker reports of them is `control.runs.session_claims`."""

from __future__ import annotations
