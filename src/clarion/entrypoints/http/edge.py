"""What every request can reach: the parts the HTTP edge works with, put together once in `app`.

Owns nothing that lives longer than the application it was built from. Read `app` for where it is put together.
"""

from __future__ import annotations

from dataclasses import dataclass

from clarion.application.ports import Database
from clarion.bootstrap import App
from clarion.entrypoints.http.cursors import CursorSigner
from clarion.entrypoints.http.hooks.callers import Callers
from clarion.entrypoints.http.readiness import Readiness
from clarion.entrypoints.http.security import Doorkeeper
from clarion.pipeline.intake import Intake
from clarion.rendering.links import Links


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The parts behind the routes. `app` holds those that only a few routes need."""

    app: App
    database: Database
    intake: Intake
    doorkeeper: Doorkeeper
    callers: Callers
    readiness: Readiness
    cursors: CursorSigner
    links: Links
    max_body_bytes: int
    max_import_bytes: int
