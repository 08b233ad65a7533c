"""How long a test waits for what must come: much longer than it takes, for a machine under test may stand still.

Shorter than `faulthandler_timeout`, which ends a test that hangs. No test is about these seconds.
"""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 100.0
