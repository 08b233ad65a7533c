"""A real Postfix on loopback, relaying to a sink of ours: a server nobody here wrote, with TLS and AUTH.

Needs Postfix installed and root, which Postfix itself asks for. Lives in a directory of its own and is stopped at the
end. Logins are checked by a small auth server here that speaks Dovecot's protocol, so no system file is touched.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Certificates, make_certificates
from tests.support.ports import free_port

POSTFIX = Path("/usr/sbin/postfix")
NAME, WORD = "news", "open sesame"

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
mynetworks =
default_transport = {transport}
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = 200000
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
  check_recipient_access inline:{{
    {{ nobody@town.test = 550 5.1.1 no such user }},
    {{ later@town.test = 450 4.2.0 later }} }}
smtpd_tls_cert_file = {certificates.certificate_file}
smtpd_tls_key_file = {certificates.key_file}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
"""
_MAILDIR = """
virtual_mailbox_base = {maildir}
virtual_mailbox_maps = static:everyone/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""
_MASTER = """
127.0.0.1:{starttls_port} inet n - n - 20 smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:{tls_port} inet n - n - 20 smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
smtp unix - - n - - smtp
retry unix - - n - - error
virtual unix - n n - - virtual
error unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix. Both ports want a login as `NAME` with `WORD`."""

    starttls_port: int
    tls_port: int
    certificates: Certificates


def why_not() -> str | None:
    """Why no Postfix can be run here, or None."""
    if not POSTFIX.exists():
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    return None if "postfix" in {user.pw_name for user in pwd.getpwall()} else "there is no user postfix"


@asynccontextmanager
async def running_postfix(sink_port: int = 0, *, maildir: Path | None = None) -> AsyncIterator[Postfix]:
    """Runs Postfix for the block; what it accepts it relays to the sink, or stores in `maildir` / everyone / new."""
    home = Path(tempfile.mkdtemp(prefix="clarion-postfix-"))
    home.chmod(0o755)
    certificates = make_certificates(home)
    ports = [free_port(), free_port()]
    async with await asyncio.start_server(_check_login, "127.0.0.1", 0) as auth:
        names: dict[str, object] = {"home": home, "certificates": certificates}
        names |= {"transport": "virtual" if maildir else f"smtp:[127.0.0.1]:{sink_port}"}
        names |= {"starttls_port": ports[0], "tls_port": ports[1]}
        names |= {"auth_port": auth.sockets[0].getsockname()[1]}
        _write(home, names)
        if maildir:
            _store_in(maildir, home)
        try:
            await _run("-c", str(home / "etc"), "start")
            yield Postfix(ports[0], ports[1], certificates)
        finally:
            await _run("-c", str(home / "etc"), "stop")
            shutil.rmtree(home, ignore_errors=True)


def _write(home: Path, names: dict[str, object]) -> None:
    for part in ("etc", "spool", "data"):
        (home / part).mkdir()
    shutil.chown(home / "data", "postfix")
    for part in ("dynamicmaps.cf", "postfix-files", "post-install", "postfix-script"):
        if (Path("/etc/postfix") / part).exists():
            shutil.copy(Path("/etc/postfix") / part, home / "etc")
    (home / "etc" / "main.cf").write_text(_MAIN.format(**names))
    (home / "etc" / "master.cf").write_text(_MASTER.format(**names))


def _store_in(maildir: Path, home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    shutil.chown(maildir, nobody)
    with (home / "etc" / "main.cf").open("a") as settings:
        settings.write(_MAILDIR.format(maildir=maildir, uid=nobody))


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        POSTFIX, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"postfix {arguments[-1]}: {told.decode()}")


async def _check_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Dovecot's authentication protocol, as far as PLAIN needs it."""
    writer.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 + b"\nDONE\n")
    async for line in reader:
        fields = line.decode().rstrip("\n").split("\t")
        if fields[0] == "AUTH":
            said = next((field[5:] for field in fields if field.startswith("resp=")), "")
            right = b64decode(said) == f"\0{NAME}\0{WORD}".encode()
            writer.write(f"OK\t{fields[1]}\tuser={NAME}\n".encode() if right else f"FAIL\t{fields[1]}\n".encode())
    writer.close()
