"""A Worker: it takes queue entries, starts authors' code in Runners, and reports to `control`. It imports no author's code."""

from __future__ import annotations
