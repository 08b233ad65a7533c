"""What a dialect declares: its routes, its answers to errors, which paths are its own, and what the OpenAPI page says.

A dialect speaks one vendor's API over the use cases of `application`; it holds no rule of its own. Its routes arrange
their own reading and authentication, because these differ by vendor, and raise the errors of `domain.errors`; every
error on a path of the dialect, also one of routing, is answered by its `answer`. Read `dialects` for those there are.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from litestar import Response
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler

from clarion.entrypoints.http.envelope import JSON
from clarion.entrypoints.http.incoming import Incoming
from clarion.entrypoints.http.operation import FREQUENT, Method
from clarion.entrypoints.http.trace import current

Handler = Callable[[Incoming], Awaitable[Response[Any]]]
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """One status of an operation: when it comes, and the model of its body (None: an empty body)."""

    about: str
    model: Any = None
    content_type: str = JSON
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an operation in its query (or in a header), as the vendor names it."""

    name: str
    about: str
    place: str = "query"
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One operation of a dialect: what the document says of it, and what answers it.

    `path` is the vendor's own, with `{name}` for its parts. `body` is the model of a JSON body, which the handler reads
    itself. `is_public` needs no credentials.
    """

    name: str
    method: Method
    path: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    path_schemas: dict[str, Schema] = field(default_factory=dict)
    body: Any = None
    body_types: tuple[str, ...] = (JSON,)
    body_required: bool = True
    body_example: Any = None
    answers: dict[int, Answers]
    is_public: bool = False
    is_frequent: bool = False
    """Whether it comes thousands of times a second, and takes the short way of `express`."""
    handler: Handler

    def route(self, prefix: str, *, has_head: bool = True) -> HTTPRouteHandler:
        """The framework's handler of this operation under a prefix; without `has_head`, HEAD is not GET but a 405."""
        template = prefix + self.path

        async def handle(request: Incoming) -> Response[Any]:
            current().route = template
            if current().is_head and not has_head:
                raise MethodNotAllowedException
            return await self.handler(request)

        return HTTPRouteHandler(
            _pattern(template),
            http_method=self.method,
            status_code=200,  # each answer carries its own
            name=self.name,
            opt={FREQUENT: self.is_frequent},
            include_in_schema=False,
        )(handle)


def _pattern(template: str) -> str:
    return re.sub(r"{(\w+)}", r"{\1:str}", template)


async def _refuse_method(request: Incoming) -> Response[Any]:
    raise MethodNotAllowedException(request.scope["method"])


def spoken(**declared: Any) -> Callable[[Handler], Spoken]:  # noqa: ANN401 - the fields of Spoken
    """Declares an operation beside the function that answers it; see `Spoken` for the fields."""
    return lambda handler: Spoken(**declared, handler=handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One vendor's API. `owns` tells whether a path without prefix is its own, also when no route has it.

    `answer` turns any error (of ours, of routing, or a surprise, which is logged before) into the vendor's shape.
    `security` are OpenAPI security schemes by name; `is_any_of` is true when one of them suffices. Where
    `has_head_and_options` is false, these two methods are a 405 on its paths.
    """

    name: str
    title: str
    about: str
    operations: tuple[Spoken, ...]
    owns: Callable[[str], bool]
    answer: Callable[[Incoming, Exception], Response[Any]]
    security: dict[str, Schema] = field(default_factory=dict)
    is_any_of: bool = True
    has_head_and_options: bool = True


@dataclass(frozen=True, slots=True)
class Mounted:
    """A dialect at its place: every path of it begins with `prefix`, which is empty or `/like/this`."""

    dialect: Dialect
    prefix: str

    def speaks(self, path: str) -> bool:
        """Whether this path is answered in the vendor's voice."""
        return path.startswith(self.prefix) and self.dialect.owns(path[len(self.prefix) :])

    def routes(self) -> list[HTTPRouteHandler]:
        """Its operations for the framework."""
        dialect = self.dialect
        if dialect.has_head_and_options:
            return [operation.route(self.prefix) for operation in dialect.operations]
        # The framework answers OPTIONS by itself wherever no handler that it saw first does.
        paths = dict.fromkeys(_pattern(self.prefix + operation.path) for operation in dialect.operations)
        refusing = [
            HTTPRouteHandler(path, http_method="OPTIONS", include_in_schema=False)(_refuse_method) for path in paths
        ]
        return [*refusing, *(operation.route(self.prefix, has_head=False) for operation in dialect.operations)]
