"""Deliveries: accepting, querying and resending them. Sending is `execution.flows`."""

from __future__ import annotations
