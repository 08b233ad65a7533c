"""The settings: one frozen tree from `CLARION_*` variables and an optional TOML file, checked as a whole.

Every setting has one name: `CLARION_LEASE_SECONDS` in the environment is `lease_seconds` in the file, and the
environment wins. Never reads anything else and never connects anywhere. Only entry points and `bootstrap` import it.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from clarion import key_file
from clarion import setting_rules as rules
from clarion.setting_rules import Secret

__all__ = ["Secret", "Settings", "SettingsError", "load_settings", "unknown_variables"]

PREFIX: Final = "CLARION_"
DIALECTS: Final = ("domo", "textit", "voltmx", "ajo")
"""The vendors' APIs that can be spoken beside the native one."""
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingsError(Exception):
    """The settings cannot be used; `mistakes` lists every one as `NAME: rule`."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("The settings have mistakes:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
        self.mistakes = mistakes


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "clarion"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _setting(parse: Callable[[str], object], about: str) -> dict[str, object]:
    return {"parse": parse, "about": about}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can choose. Each field's metadata holds its parser and one line about it."""

    data_dir: Path = field(
        default_factory=_default_data_dir,
        metadata=_setting(rules.path, "Where the embedded database, the secret key and run-time files live"),
    )
    database_url: Secret | None = field(
        default=None,
        metadata=_setting(rules.database_url, "A PostgreSQL (15 or newer) of yours; none starts the embedded one"),
    )
    nats_url: Secret | None = field(
        default=None,
        metadata=_setting(
            rules.nats_urls, "NATS servers with JetStream, for workers on many machines; none: PostgreSQL is the queue"
        ),
    )
    nats_prefix: str = field(
        default="clarion", metadata=_setting(rules.token, "The name of the stream, and what its subjects begin with")
    )
    nats_replicas: int = field(
        default=1, metadata=_setting(rules.copies, "How many NATS servers keep the stream: 1, or 3 or 5 of a cluster")
    )
    host: str = field(default="127.0.0.1", metadata=_setting(rules.host, "The address the API listens on"))
    port: int = field(
        default=8480, metadata=_setting(rules.whole(0, 65535), "The port the API listens on; 0 picks a free one")
    )
    public_url: str = field(
        default="",
        metadata=_setting(rules.web_url, "How recipients reach this server; stands in links and unsubscribe headers"),
    )
    workers: int = field(
        default_factory=_cores, metadata=_setting(rules.whole(1, 256), "Worker processes of `clarion serve`")
    )
    secret_key: Secret | None = field(
        default=None, metadata=_setting(rules.key, "32 random bytes in base64; none keeps one in the data directory")
    )
    previous_secret_keys: tuple[Secret, ...] = field(
        default=(), metadata=_setting(rules.keys, "Keys of before, comma-separated; they open what they sealed")
    )
    log_level: str = field(
        default="info",
        metadata=_setting(rules.one_of("debug", "info", "warning", "error"), "The least level that is logged"),
    )
    log_format: str = field(
        default="auto",
        metadata=_setting(rules.one_of("auto", "json", "console"), "auto is console on a terminal, else json"),
    )
    metrics_key: Secret | None = field(
        default=None,
        metadata=_setting(rules.access_key, "Bearer key of /metrics; without it only loopback may read them"),
    )
    drain_seconds: int = field(
        default=30, metadata=_setting(rules.whole(1, 600), "How long a stop waits for messages that are on the wire")
    )
    lease_seconds: int = field(
        default=30, metadata=_setting(rules.whole(2, 3600), "How long a worker owns a batch without renewing it")
    )
    api_pool_size: int = field(
        default=10, metadata=_setting(rules.whole(1, 200), "Database connections of the API process")
    )
    worker_pool_size: int = field(
        default=8, metadata=_setting(rules.whole(2, 200), "Database connections of each worker process")
    )
    statement_timeout_seconds: int = field(
        default=30, metadata=_setting(rules.whole(1, 3600), "The longest a database statement may take")
    )
    trust_failover: bool = field(
        default=False, metadata=_setting(rules.yes_no, "Send on when a replica took over; it must have missed nothing")
    )
    retention_days: int = field(
        default=400, metadata=_setting(rules.whole(31, 36_500), "How long deliveries are kept after their run ended")
    )
    max_body_bytes: int = field(
        default=1_048_576, metadata=_setting(rules.whole(1024, 1 << 30), "The largest JSON request body")
    )
    max_import_bytes: int = field(
        default=2_147_483_648, metadata=_setting(rules.whole(1024, 1 << 40), "The largest contact import body")
    )
    requests_per_second: int = field(
        default=5000,
        metadata=_setting(rules.whole(1, 1_000_000), "Requests one API key may make per second, in the long run"),
    )
    relay_check_seconds: int = field(
        default=3,
        metadata=_setting(
            rules.whole(0, 60), "How long a start waits for its senders to answer; 0 starts without asking"
        ),
    )
    unsubscribe_mailbox: str | None = field(
        default=None, metadata=_setting(rules.mailbox, "The address named in List-Unsubscribe beside the link")
    )
    helo_name: str = field(
        default_factory=socket.gethostname, metadata=_setting(rules.host_name, "The name said in EHLO to mail servers")
    )
    allow_http_links: bool = field(
        default=False,
        metadata=_setting(rules.yes_no, "Accept a public_url without TLS on an address that is not loopback"),
    )

    dialects: tuple[str, ...] = field(
        default=DIALECTS,
        metadata=_setting(rules.some_of(*DIALECTS), "Which vendors' APIs are spoken beside the native one"),
    )
    domo_prefix: str = field(
        default="", metadata=_setting(rules.path_prefix, "What every path of the Domo dialect begins with")
    )
    textit_prefix: str = field(
        default="", metadata=_setting(rules.path_prefix, "What every path of the TextIt dialect begins with")
    )
    textit_requests_per_hour: int = field(
        default=3600,
        metadata=_setting(rules.whole(1, 10_000_000), "Requests a workspace may make in any hour over TextIt's API"),
    )
    voltmx_prefix: str = field(
        default="", metadata=_setting(rules.path_prefix, "What every path of the Volt MX dialect begins with")
    )
    voltmx_apps: tuple[str, ...] = field(
        default=(),
        metadata=_setting(rules.names, "Ids of the applications that push messages of the Volt MX dialect may name"),
    )
    voltmx_campaign_types: tuple[str, ...] = field(
        default=(), metadata=_setting(rules.names, "The campaign types that callers of the Volt MX dialect may name")
    )
    ajo_prefix: str = field(
        default="",
        metadata=_setting(rules.path_prefix, "What every path of the Adobe Journey Optimizer dialect begins with"),
    )

    @property
    def embedded(self) -> bool:
        """Whether Clarion runs its own database server."""
        return self.database_url is None

    @property
    def link_base_url(self) -> str:
        """The address links start with: `public_url`, else where the API listens."""
        if self.public_url:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def dialect_prefix(self, name: str) -> str:
        """What the paths of this dialect begin with; mostly nothing."""
        return str(getattr(self, f"{name}_prefix"))

    def secret_keys(self) -> tuple[bytes, ...]:
        """Returns the 32-byte keys, the current one first; makes `secret.key` in the data directory at first need.

        Safe to repeat because the file is made once and put in place whole; of two processes that try, one wins and
        both use its key. Raises SettingsError when the file is damaged or not ours to read.
        """
        older = tuple(rules.decode_key(key.reveal()) for key in self.previous_secret_keys)
        if self.secret_key is not None:
            return (rules.decode_key(self.secret_key.reveal()), *older)
        try:
            return (*key_file.read_or_make(self.data_dir / "secret.key"), *older)
        except (OSError, ValueError) as error:
            raise SettingsError([f"{self.data_dir / 'secret.key'}: {error}"]) from error


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings. Raises SettingsError that lists every mistake, not only the first."""
    env = os.environ if env is None else env
    mistakes: list[str] = []
    filed = _read_file(env, mistakes)
    values: dict[str, object] = {}
    for one in fields(Settings):
        label = PREFIX + one.name.upper()
        raw = env.get(label) or None
        if raw is None and one.name in filed:
            label, raw = f"{one.name} in the settings file", filed[one.name]
        if raw is None:
            continue
        try:
            values[one.name] = one.metadata["parse"](raw)
        except ValueError as error:
            mistakes.append(f"{label}: {error}")
    settings = Settings(**values)  # type: ignore[arg-type] # each value came from its own field's parser
    mistakes += _relations(settings)
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _read_file(env: Mapping[str, str], mistakes: list[str]) -> dict[str, str]:
    named = env.get(f"{PREFIX}CONFIG")
    directory = env.get(f"{PREFIX}DATA_DIR")
    path = Path(named or Path(directory or _default_data_dir()) / "clarion.toml").expanduser()
    if not named and not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        mistakes.append(f"{PREFIX}CONFIG: cannot read {path}: {error}")
        return {}
    known = {one.name for one in fields(Settings)}
    mistakes.extend(f"{name} in the settings file: is not a setting" for name in sorted(table.keys() - known))
    return {name: _flat(value) for name, value in table.items() if name in known}


def _flat(value: object) -> str:
    """Gives a TOML value the form it would have in the environment, so that one parser serves both."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _relations(settings: Settings) -> list[str]:
    """Checks what no field can know alone."""
    wrong = []
    url = urlsplit(settings.public_url)
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS and not settings.allow_http_links:
        wrong.append(
            "CLARION_PUBLIC_URL: must start with https://, or set CLARION_ALLOW_HTTP_LINKS=true to accept that mail "
            "clients will not offer one-click unsubscribe"
        )
    if settings.nats_url is None and settings.nats_replicas > 1:
        wrong.append("CLARION_NATS_REPLICAS: needs CLARION_NATS_URL, and as many servers in that cluster")
    if settings.previous_secret_keys and settings.secret_key is None:
        wrong.append("CLARION_PREVIOUS_SECRET_KEYS: needs CLARION_SECRET_KEY; with secret.key, add lines to that file")
    return wrong


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """Names the `CLARION_*` variables that are no setting: most often a spelling mistake."""
    known = {PREFIX + one.name.upper() for one in fields(Settings)} | {f"{PREFIX}CONFIG"}
    own = (f"{PREFIX}TEST_", f"{PREFIX}INTERNAL_")
    return sorted(name for name in env if name.startswith(PREFIX) and name not in known and not name.startswith(own))
