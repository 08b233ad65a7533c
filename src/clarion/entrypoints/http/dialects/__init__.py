"""The dialects: five vendors' campaign APIs over the same use cases. The accounts API is the native one, in `api`.

Adding one is a package here and a line in `DIALECTS`; see docs/adding-a-dialect.md. Each can be switched off and given
a path prefix in the settings.
"""

from __future__ import annotations

from typing import Final

from litestar import Response
from litestar.exceptions import HTTPException

from clarion import telemetry
from clarion.domain.errors import ClarionError
from clarion.entrypoints.http import errors
from clarion.entrypoints.http.dialect import Dialect, Mounted
from clarion.entrypoints.http.dialects import ajo, domo, textit, voltmx
from clarion.entrypoints.http.incoming import Incoming
from clarion.settings import Settings

DIALECTS: Final[tuple[Dialect, ...]] = (domo.DIALECT, textit.DIALECT, voltmx.DIALECT, ajo.DIALECT)
"""Of those that share paths, the first asked comes first: Domo's two literal paths before Volt MX's family."""


def mounted(settings: Settings) -> tuple[Mounted, ...]:
    """The dialects that the settings leave on, each at its prefix."""
    return tuple(
        Mounted(dialect, settings.dialect_prefix(dialect.name))
        for dialect in DIALECTS
        if dialect.name in settings.dialects
    )


class Voices:
    """Answers every error in the voice of the dialect whose path was called, else in that of the native API."""

    def __init__(self, dialects: tuple[Mounted, ...]) -> None:
        self._dialects = dialects

    def answer(self, request: Incoming, error: Exception) -> Response[bytes]:
        """The answer to an error of ours, of routing, or to a surprise, which the log gets first."""
        is_surprise = not isinstance(error, ClarionError | HTTPException)
        if is_surprise:
            telemetry.logger().error(telemetry.Event.REQUEST_FAILED, exc_info=error)
        path = request.scope["path"]
        for dialect in self._dialects:
            if dialect.speaks(path):
                return dialect.dialect.answer(request, error)
        if isinstance(error, ClarionError):
            return errors.answer_error(request, error)
        if isinstance(error, HTTPException):
            return errors.answer_http_exception(request, error)
        return errors.answer_surprise()
