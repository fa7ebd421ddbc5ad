"""How SeaweedFS is run as the S3 store of one machine: its arguments, identities and traces.

``weed mini`` is the whole of SeaweedFS in one process: up in about a second, also after kill -9. A PUT is answered
without an fsync: it outlives the process, but not always a power cut, after which ``reconcile`` sends what is missing.
Objects go to a volume file and their names to LevelDB, whatever -filer.saveToFilerLimit says: that flag
and the Go collector's settings made no measurable difference to a small PUT (about 1.5 ms on 2 cores).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

PORTS = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3.grpc", "admin")
"""The ports beside ``s3`` itself; the admin's gRPC port is derived."""
ADMIN_GRPC_OFFSET = 10_000
"""The maintenance worker inside ``weed mini`` dials the admin's port plus this, whatever -admin.port.grpc says."""
_LOOPBACK = "127.0.0.1"
_SOCKETS = Path("/tmp")  # noqa: S108 — compiled into weed


def arguments(ports: Mapping[str, int], home: Path, identities: Path, bucket: str) -> list[str]:
    """The arguments of ``weed`` that serve `bucket` from `home` on `ports` of the loopback."""
    given = [f"-{_flag(name)}={ports[name]}" for name in ("s3", *PORTS)]
    return [
        "-logtostderr=true",
        "mini",
        f"-dir={home}",
        f"-ip={_LOOPBACK}",
        f"-ip.bind={_LOOPBACK}",
        f"-bucket={bucket}",
        f"-s3.config={identities}",
        *given,
        f"-admin.port.grpc={ports['admin'] + ADMIN_GRPC_OFFSET}",
        # The master and the filer ask nobody for a password: without this, a web page that guesses a port could
        # delete the bucket with one GET.
        "-disableHttp",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",
    ]


def environment(home: Path, volume_key: str) -> dict[str, str]:
    """What ``weed`` reads from its environment: no configuration of the user's, and the key that volume writes need.

    Nothing else of ours may be in it: weed takes S3_BUCKET and AWS_* for its own settings.
    """
    return {"HOME": str(home), "WEED_JWT_SIGNING_KEY": volume_key}


def identities(bucket: str, access_key: str, secret_key: str) -> bytes:
    """Who may do what, as JSON: the publisher everything, anyone read the objects of `bucket` (but not list them)."""
    keys = {"accessKey": access_key, "secretKey": secret_key}
    publisher = {"name": "publisher", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return msgspec.json.encode({"identities": [publisher, {"name": "anonymous", "actions": [f"Read:{bucket}"]}]})


def unlink_sockets(ports: Mapping[str, int]) -> None:
    """Remove the local sockets that a killed ``weed`` leaves behind."""
    grpc = dict(ports) | {"admin.grpc": ports.get("admin", 0) + ADMIN_GRPC_OFFSET}
    servers = ("master", "volume", "filer", "s3", "admin")
    names = [f"{server}-grpc-{grpc[f'{server}.grpc']}" for server in servers if f"{server}.grpc" in grpc]
    names += [f"{server}-{ports[server]}" for server in ("filer", "s3") if server in ports]
    for name in names:
        with contextlib.suppress(OSError):
            (_SOCKETS / f"seaweedfs-{name}.sock").unlink()


def _flag(name: str) -> str:
    """``s3.grpc`` -> ``s3.port.grpc``."""
    server, _, kind = name.partition(".")
    return f"{server}.port.{kind}" if kind else f"{server}.port"
