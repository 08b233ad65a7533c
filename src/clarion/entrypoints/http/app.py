"""The HTTP application: which routes there are and what stands around them.

A request passes the gate (trace id, headers, log line), then the checks of its operation in the order `operation`
shows, then one transaction. Start reading with `operation`, then any module of `api/`.
"""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from clarion.bootstrap import App
from clarion.domain.errors import ClarionError
from clarion.entrypoints.http import operations
from clarion.entrypoints.http.api import OPERATIONS
from clarion.entrypoints.http.cursors import CursorSigner
from clarion.entrypoints.http.dialects import Voices, mounted
from clarion.entrypoints.http.edge import Edge
from clarion.entrypoints.http.express import Express
from clarion.entrypoints.http.gate import Gate
from clarion.entrypoints.http.hooks import callbacks
from clarion.entrypoints.http.hooks.callers import Callers
from clarion.entrypoints.http.public import unsubscribe, view
from clarion.entrypoints.http.readiness import Readiness
from clarion.entrypoints.http.reference import Reference
from clarion.entrypoints.http.security import Doorkeeper, Pace
from clarion.pipeline.intake import Intake


def create_app(app: App) -> ASGIApp:
    """Builds the ASGI application around the parts in `app`; opens and closes nothing itself."""
    edge = Edge(
        app=app,
        database=app.database,
        intake=Intake(app.database),
        readiness=Readiness(app.settings, app.database),
        doorkeeper=Doorkeeper(app.database, Pace(app.settings.requests_per_second), tokens=app.tokens),
        callers=Callers(app.database, app.channels.callbacks, Pace(app.settings.requests_per_second)),
        cursors=CursorSigner(app.cursor_key),
        links=app.links,
        max_body_bytes=app.settings.max_body_bytes,
        max_import_bytes=app.settings.max_import_bytes,
    )
    dialects = mounted(app.settings)
    voices = Voices(dialects)
    handlers = [
        *OPERATIONS,
        *(route for dialect in dialects for route in dialect.routes()),
        *operations.ROUTES,
        *Reference(dialects).routes(),
        *unsubscribe.ROUTES,
        *view.ROUTES,
        *callbacks.ROUTES,
    ]
    inner = Litestar(
        route_handlers=handlers,
        state=State({"edge": edge}),
        on_shutdown=[edge.intake.aclose],
        exception_handlers=dict.fromkeys((ClarionError, HTTPException, Exception), voices.answer),
        request_max_body_size=None,  # `requests` holds each route to its own limit
        openapi_config=None,  # `openapi` writes the document from the declarations
        logging_config=None,  # the gate and `Voices` log
    )
    return Gate(Express(inner, handlers, voices))
