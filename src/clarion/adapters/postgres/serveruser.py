"""Who runs the embedded server. PostgreSQL refuses to be root, so as root it runs as a system user of its own.

For anyone else this only binds the server's life to ours. As root it makes the user `clarion-pg` once and lets it *pass
through* (never list or read) the directories above the server's programs and data: by an access list entry for that
one user where the file system has them, else by the search bit for others. Nothing else is opened up.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clarion.domain.errors import ClarionError

NAME: Final = "clarion-pg"
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServerUserError(ClarionError):
    """The user the embedded server needs cannot be had; the message says what to do."""

    code = "EMBEDDED_DATABASE"


class ServerUser:
    """The user the server runs as: ourselves, or `uid` and `gid` when we are root."""

    def __init__(self, uid: int | None = None, gid: int | None = None) -> None:
        self.uid = uid
        self.gid = gid

    def become(self) -> None:
        """Turns the calling (forked) process into this user."""
        if self.uid is not None and self.gid is not None:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
        os.umask(0o077)

    def become_bound(self) -> None:
        """As `become`; on Linux the server also gets a SIGTERM when its starter dies, however that happens.

        SIGTERM is PostgreSQL's "smart" stop: sessions that are open may finish, then it leaves. So workers that
        outlive a killed supervisor for a moment can still record what they sent.
        """
        self.become()
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # after setuid, which would clear it
            if os.getppid() == 1 and _starter != 1:  # the starter died before the line above
                os._exit(1)

    def give(self, *paths: Path) -> None:
        """Makes the paths this user's, with everything below a directory whose owner is another one."""
        if self.uid is None or self.gid is None:
            return
        for path in paths:
            if path.stat().st_uid != self.uid:
                for below in (path, *path.rglob("*")):
                    os.chown(below, self.uid, self.gid, follow_symlinks=False)

    def check_private(self, directory: Path) -> None:
        """Raises `ServerUserError` unless the directory is a real one that only we or this user can enter."""
        facts = directory.lstat()
        owners = {os.geteuid(), self.uid}
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in owners or facts.st_mode & 0o077:
            raise ServerUserError(f"{directory} is not a private directory of ours; remove it and start again")


_starter = os.getpid()


def server_user(*, programs: Sequence[Path], data_dir: Path) -> ServerUser:
    """Finds the user to run as. As root makes it at first need and lets it reach the data directory and the programs.

    `programs` are the directories of the server's own files, its libraries among them.
    """
    if os.geteuid() != 0:
        return ServerUser()
    uid, gid = _system_user()
    for target in (*programs, data_dir):
        for directory in (target, *target.resolve().parents):
            _let_pass(directory, uid, gid)
    for directory in programs:
        _let_read(directory)
    return ServerUser(uid, gid)


def _system_user() -> tuple[int, int]:
    import pwd  # noqa: PLC0415 - not on every system

    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        _make_user()
        entry = pwd.getpwnam(NAME)
    return entry.pw_uid, entry.pw_gid


def _make_user() -> None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise ServerUserError(
            f"PostgreSQL does not run as root and there is no useradd to make the user {NAME}: make that user, start "
            "Clarion as another user, or set CLARION_DATABASE_URL"
        )
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run(  # noqa: S603 - a system program with fixed arguments
        [*command, "--shell", "/usr/sbin/nologin", NAME], check=False, capture_output=True
    )
    if done.returncode not in {0, 9}:  # 9: another start made it meanwhile
        raise ServerUserError(f"useradd could not make the user {NAME}: {done.stderr.decode('utf-8', 'replace')}")


def _let_read(directory: Path) -> None:
    """Opens PostgreSQL's own files, which hold no secret, to readers where a strict umask kept them closed."""
    for path in (directory, *directory.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        wanted = mode | (mode & 0o500) >> 6
        if wanted != mode and not path.is_symlink():
            path.chmod(wanted)


def _let_pass(directory: Path, uid: int, gid: int) -> None:
    facts = directory.stat()
    if facts.st_mode & stat.S_IXOTH or facts.st_uid == uid or (facts.st_gid == gid and facts.st_mode & stat.S_IXGRP):
        return
    if not _grant_search(directory, uid, stat.S_IMODE(facts.st_mode)):
        directory.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IXOTH)


# The binary form of an access list (Linux, linux/posix_acl_xattr.h): version 2, then (tag, permissions, id) entries.
_ACL: Final = "system.posix_acl_access"
_HEAD: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NOBODY: Final = 0xFFFFFFFF
_SEARCH: Final = 1


def _grant_search(directory: Path, uid: int, mode: int) -> bool:
    """Adds `user:uid:--x` to the directory's access list; False where the file system keeps none."""
    if sys.platform != "linux":
        return False
    try:
        try:
            entries = list(_ENTRY.iter_unpack(os.getxattr(directory, _ACL)[_HEAD.size :]))
        except OSError:
            entries = [(_OWNER, mode >> 6 & 7, _NOBODY), (_GROUP, mode >> 3 & 7, _NOBODY), (_OTHER, mode & 7, _NOBODY)]
        others = [entry for entry in entries if entry[0] != _MASK and (entry[0], entry[2]) != (_USER, uid)]
        granted = next((entry[1] for entry in entries if (entry[0], entry[2]) == (_USER, uid)), 0) | _SEARCH
        # The mask bounds every named entry; widened by no more than our own right.
        mask = next((entry[1] for entry in entries if entry[0] == _MASK), mode >> 3 & 7) | _SEARCH
        ordered = sorted([*others, (_USER, granted, uid), (_MASK, mask, _NOBODY)], key=lambda e: (e[0], e[2]))
        packed = _HEAD.pack(2) + b"".join(_ENTRY.pack(*entry) for entry in ordered)
        os.setxattr(directory, _ACL, packed)
    except OSError:
        return False
    return True
