"""Facts about the installation itself."""

from __future__ import annotations

import asyncio
import platform as machine
import shutil
from dataclasses import dataclass
from decimal import Decimal
from importlib import metadata

import runwright
from runwright.control.base.platform import Platform
from runwright.domain.ids import WorkspaceId
from runwright.storage import model_calls, system as rows
from runwright.storage.system import DatabaseFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """The operator's configuration of language models, and their cost."""

    providers: tuple[str, ...]
    spent_today_usd: Decimal
    day_limit_usd: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """The installation as this server sees it."""

    database: DatabaseFacts
    is_embedded: bool
    """The database is run by this process."""
    blobs: str
    disk_free_bytes: int
    disk_bytes: int
    """Total size of the data directory's disk."""
    versions: dict[str, str]
    models: Models


async def facts(platform: Platform, workspace_id: WorkspaceId) -> System:
    """The current facts of the installation."""
    settings = platform.settings
    disk = await asyncio.to_thread(shutil.disk_usage, settings.data_dir)
    return System(
        database=await rows.facts(platform.database, workspace_id),
        is_embedded=settings.database_url is None,
        blobs=settings.blobs or f"{settings.data_dir / 'blobs'}",
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
        versions={
            "Runwright": runwright.__version__,
            "Python": machine.python_version(),
            "Playwright": metadata.version("playwright"),
        },
        models=Models(
            providers=tuple(each.value for each in platform.providers.present),
            spent_today_usd=await model_calls.spent_today(platform.database),
            day_limit_usd=settings.model_day_limit_usd,
        ),
    )
