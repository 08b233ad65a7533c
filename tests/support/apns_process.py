"""The stand-in for APNs as a process: `python -m tests.support.apns_process KEY CERTIFICATE CERTIFICATE_KEY`.

Prints its port as the first line; told to end, it says in one line of JSON what it took, how often, and what it found
fault with.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from tests.support.apns_server import ApnsServer


async def _serve(key_file: str, certificate_file: str, certificate_key_file: str) -> dict[str, Any]:
    key = load_pem_public_key(Path(key_file).read_bytes())
    assert isinstance(key, EllipticCurvePublicKey)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate_file, certificate_key_file)
    tls.set_alpn_protocols(["h2"])
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with ApnsServer(key, tls=tls, keeps=False) as server:
        print(server.port, flush=True)
        await told.wait()
    return {
        "taken": sum(server.counted.values()),
        "devices": len(server.counted),
        "twice": sum(times > 1 for times in server.counted.values()),
        "connections": server.opened,
        "provider_tokens": len(server.tokens),
        "complaints": server.complaints[:5],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_serve(*sys.argv[1:4]))), flush=True)
