"""Deliveries: accepting, answering about and repeating them. Sending is `execution.flows`."""

from __future__ import annotations
