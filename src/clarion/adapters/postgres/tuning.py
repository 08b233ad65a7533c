"""The configuration of the embedded server: safe as PostgreSQL ships, sized for one machine that does other work too.

Durability is never traded: fsync and synchronous_commit stay on outside of tests.
"""

from __future__ import annotations

import os
from typing import Final

MIB: Final = 1024 * 1024

_ALWAYS: Final = """\
# Written by Clarion at every start; changes here are lost.
listen_addresses = ''
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
jit = off
random_page_cost = 1.1
work_mem = '16MB'
maintenance_work_mem = '128MB'
# A write-heavy ledger: large WAL segments between checkpoints, spread over time; five minutes bound the recovery.
max_wal_size = '2GB'
min_wal_size = '128MB'
wal_compression = on
wal_buffers = '16MB'
checkpoint_timeout = '5min'
checkpoint_completion_target = 0.9
# Deliveries change a few times each and batches live for seconds: clean up early and without long pauses.
autovacuum_naptime = '10s'
autovacuum_vacuum_cost_limit = 1000
autovacuum_vacuum_insert_scale_factor = 0.1
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%a.log'
log_truncate_on_rotation = on
log_rotation_age = '1d'
log_rotation_size = 0
log_checkpoints = off
log_line_prefix = '%m [%p] '
"""

_DURABLE: Final = "fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n"
_FAST: Final = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"


def configuration(*, max_connections: int, durable: bool) -> str:
    """Returns the settings file, sized to the memory of this machine."""
    memory = _memory_bytes()
    buffers = min(max(memory // 8, 128 * MIB), 1024 * MIB) // MIB if durable else 128
    sized = (
        f"max_connections = {max_connections}\n"
        f"shared_buffers = '{buffers}MB'\n"
        f"effective_cache_size = '{max(memory // 2, 256 * MIB) // MIB}MB'\n"
    )
    return _ALWAYS + sized + (_DURABLE if durable else _FAST)


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1024 * MIB
