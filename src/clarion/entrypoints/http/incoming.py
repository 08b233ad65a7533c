"""The request as the framework hands it over, under one name.

Nothing else is here. Read `requests` for how one is read.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar import Request

Incoming: TypeAlias = Request[Any, Any, Any]
