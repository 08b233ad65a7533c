"""The file of the secret key: made at first need, put in place whole, and never written again by us.

Owns nothing else of the settings. Where to read next: `settings`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from pathlib import Path

from clarion import setting_rules as rules


def read_or_make(path: Path) -> tuple[bytes, ...]:
    """Returns the keys in the file, a line each, the current one first; makes the file when there is none.

    Safe to repeat because of two processes that make it one wins and both read its key. Raises OSError when it is not
    ours to read, ValueError when it is damaged.
    """
    if not path.exists():
        _make(path)
    lines = [line for line in path.read_text("ascii").splitlines() if line.strip()]
    if not lines:
        raise ValueError("is empty; restore it from a backup, sealed passwords cannot be read without it")
    return tuple(rules.decode_key(line) for line in lines)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = base64.b64encode(secrets.token_bytes(rules.KEY_BYTES)) + b"\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, text)
        os.fsync(handle)
    finally:
        os.close(handle)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)  # fails, unlike a rename, when another process was first
    draft.unlink()
