"""Seals Sinks for storage, each bound to the record that it belongs to."""

from __future__ import annotations

import json
from enum import StrEnum

from runwright.control.base.platform import Platform
from runwright.domain.deliveries import sinks
from runwright.domain.deliveries.sinks import Sink
from runwright.domain.projects import Deployment


class Owner(StrEnum):
    """What a sealed Sink belongs to; the prefix of the record's name."""

    RUN = "run-sink"
    DEPLOYMENT = "deployment-sink"
    """Where outcomes go if the Run names no Sink."""
    DELIVERY = "delivery"


def seal(platform: Platform, owner: Owner, owner_id: object, sink: Sink) -> bytes:
    """Seal a Sink for its owner."""
    text = json.dumps(sink.as_json(is_masked=False))
    return platform.vault.seal(text.encode(), record=f"{owner}:{owner_id}")


def unseal(platform: Platform, owner: Owner, owner_id: object, sealed: bytes) -> Sink:
    """Open a Sink that was sealed for its owner."""
    return sinks.stored(json.loads(platform.vault.open(sealed, record=f"{owner}:{owner_id}")))


def or_default(platform: Platform, sink: Sink | None, deployment: Deployment) -> Sink | None:
    """The given Sink, otherwise the Deployment's, if it has one."""
    if sink is not None or deployment.sealed_sink is None:
        return sink
    return unseal(platform, Owner.DEPLOYMENT, deployment.id, deployment.sealed_sink)
