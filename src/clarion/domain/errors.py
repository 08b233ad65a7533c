"""The errors a caller can cause or must know about. Statuses live at the HTTP edge, one table per dialect.

    ClarionError
    ├── Invalid            the request breaks a rule; carries one Problem per mistake
    │   └── Malformed      it cannot even be read (syntax, wrong type, malformed id)
    ├── TooLarge           a stated size limit is exceeded
    ├── Unauthenticated    no key, or one that is unknown, revoked or expired
    ├── Forbidden          a known key without the permission
    ├── NotFound           no such object in this account, or it is another account's
    │   └── Removed        it was here, and its account keeps it no longer
    ├── Conflict           the stored state does not allow it; carries a code
    ├── RateLimited        too many requests; carries the seconds to wait
    ├── Unavailable        a part we need does not answer just now; try again
    └── UpstreamFailed     the other side of a send refused or is unreachable

A send that fails is not an error but an `Outcome` (see `outcome`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (`field`, a path such as `message.email.subject`), which rule, and a sentence."""

    field: str
    rule: str
    message: str


class ClarionError(Exception):
    """Base of everything Clarion raises on purpose. `code` is stable and machine-readable."""

    code = "ERROR"


class Invalid(ClarionError):
    """The request is readable but breaks rules; every broken rule is listed at once."""

    code = "VALIDATION_ERROR"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Invalid:
        """Builds one error from many problems."""
        return cls(*problems)


class Malformed(Invalid):
    """The request cannot be read: broken JSON, a wrong type, a malformed identifier."""


class TooLarge(ClarionError):
    """A stated size limit is exceeded."""

    code = "TOO_LARGE"

    def __init__(self, field: str, limit: str) -> None:
        super().__init__(f"{field} is larger than the limit of {limit}")
        self.field = field


class Unauthenticated(ClarionError):
    """No usable key came with the request."""

    code = "UNAUTHENTICATED"


class Forbidden(ClarionError):
    """The key is good but may not do this."""

    code = "FORBIDDEN"


class NotFound(ClarionError):
    """There is no such object here. Another account's object is answered in exactly this way."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, *, where: str = "") -> None:
        super().__init__(f"No such {kind}: {where}" if where else f"No such {kind}")
        self.kind = kind


class Removed(NotFound):
    """The object was here for as long as its account keeps such; what it came to is still counted in its run."""

    code = "REMOVED"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.args = (f"The {kind} is no longer kept; the report of its run still counts it",)


class Conflict(ClarionError):
    """The stored state does not allow the request; repeating it unchanged will not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RateLimited(ClarionError):
    """Too many requests; nothing was changed."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many requests; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Unavailable(ClarionError):
    """A part Clarion needs (most often the database) does not answer; nothing was changed."""

    code = "UNAVAILABLE"

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UpstreamFailed(ClarionError):
    """The service a sender points at refused or could not be reached."""

    code = "UPSTREAM_FAILED"
