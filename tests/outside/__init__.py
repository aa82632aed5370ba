"""The other side of a Run, a Delivery or a proxy: sites, receivers, providers, certificates."""

from __future__ import annotations
