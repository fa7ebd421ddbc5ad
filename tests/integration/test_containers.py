"""The commands of the containers, as they run there: another user, a root that cannot be written, no capabilities.

There is no container engine here: each command runs in a mount namespace of its own in which everything is read-only
but the volume and /tmp, as the user and with the settings of `deploy/docker/compose.yaml`. The images are not built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import end
from publisher.edges import nginx
from publisher.ports import is_free, kept_or_new
from tests.running import read_until

ROOT = Path(__file__).parents[2]
PUBLISHER, WEB = 10001, 33
VOLUME = "/mnt"
# The interpreter may lie in a home that nobody else may enter: within the namespace it is where all can read it. So is
# this project, which may lie in a /tmp that is another there.
_NAMESPACE = r"""
set -eu
mount --make-rprivate /
mount --bind "$1" /mnt
python=$2 home=$(echo "$2" | cut -d/ -f1-2)
if [ "$(stat -c %a "$home")" = 700 ]; then
    mount -t tmpfs -o mode=755 tmpfs /media
    mkdir /media/python && mount --bind "$python" /media/python
    mount -t tmpfs -o mode=755 tmpfs "$home"
    mkdir -p "$python" && mount --bind /media/python "$python"
fi
mount --bind "$3" /srv
mount --bind / /
mount -o remount,ro,bind /
mount -t tmpfs -o mode=1777 tmpfs /tmp
case $3 in /tmp/*) mkdir -p "$3" && mount --bind /srv "$3";; esac
user=$4; shift 4
cd /mnt
exec setpriv --reuid "$user" --regid "$user" --clear-groups --bounding-set=-all --no-new-privs "$@"
"""


def contained(user: int, volume: Path, *command: str) -> list[str]:
    """What runs `command` as in a container of `user`, whose volume is mounted at /mnt."""
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _NAMESPACE,
        "sh",
        str(volume),
        sys.base_prefix,
        str(ROOT),
        str(user),
        *command,
    ]


def may_unshare() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@contextmanager
def running(log: Path, command: list[str], environ: dict[str, str]) -> Iterator[None]:
    """A container that runs until the block ends, and then ends in peace."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environ, stdout=said, stderr=said)
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            end(process, 30)


def volume(folder: Path, user: int) -> Path:
    """A folder that belongs to a user, who can get to it."""
    folder.mkdir()
    shutil.chown(folder, user, user)
    for above in folder.parents:
        if above.stat().st_uid == 0 and above.stat().st_mode & 0o005 != 0o005:
            above.chmod(above.stat().st_mode | 0o005)
    return folder


def wait_for(url: str, log: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=2).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def test_a_review_is_published_by_unprivileged_read_only_containers(tmp_path: Path) -> None:
    assert may_unshare(), "this test needs root and a kernel that lets it make mount namespaces"
    ports: set[int] = set()
    for _ in range(12):
        ports.add(kept_or_new(0, is_free, ports))
    s3, api, edge, inner, *others = sorted(ports)
    data, store = volume(tmp_path / "data", PUBLISHER), volume(tmp_path / "store", PUBLISHER)
    web = volume(tmp_path / "web", WEB)
    path = f"{sys.prefix}/bin:/usr/sbin:/usr/bin:/bin"
    keys = {"S3_ACCESS_KEY": "reviews", "S3_SECRET_KEY": "a-secret-of-this-test", "PATH": path}
    environ = keys | {
        "DATA_DIR": VOLUME, "SITE_URL": f"http://127.0.0.1:{edge}", "S3_ENDPOINT": f"http://127.0.0.1:{s3}",
        "S3_BUCKET": "content", "S3_PROBE_URL": f"http://127.0.0.1:{edge}", "CDN_KIND": "nginx",
        "CDN_EDGES": f"http://127.0.0.1:{edge}", "API_HOST": "127.0.0.1", "API_PORT": str(api),
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    made = subprocess.run(
        contained(PUBLISHER, data, f"{sys.prefix}/bin/publisher", "init"), env=environ, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    password = made.stdout.split("Password")[1].split()[0]
    flags = [f"-{name}={port}" for name, port in zip(
        ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
         "s3.port.grpc", "admin.port"), others, strict=True)]  # fmt: skip
    how = nginx.Nginx(
        listen=f"127.0.0.1:{edge}", inner=f"127.0.0.1:{inner}", home=VOLUME, log=f"{VOLUME}/error.log", user=""
    )
    (web / "nginx.conf").write_text(nginx.configuration(f"127.0.0.1:{s3}", "content", how))
    with ExitStack() as stack:
        start = stack.enter_context
        script = str(ROOT / "deploy" / "docker" / "store.sh")
        shop = keys | {"STORE_IP": "127.0.0.1", "STORE_BIND": "127.0.0.1", "STORE_PORT": str(s3)}
        shell = ["sh", "-c", f"sed 's#/data#{VOLUME}#g' {script} > /tmp/store.sh && exec sh /tmp/store.sh \"$@\"", "sh"]
        start(running(tmp_path / "store.log", contained(PUBLISHER, store, *shell, *flags), shop))
        wait_for(f"http://127.0.0.1:{s3}/content/", tmp_path / "store.log")
        serve = ["nginx", "-c", f"{VOLUME}/nginx.conf", "-e", f"{VOLUME}/error.log", "-g", "daemon off;"]
        start(running(tmp_path / "edge.log", contained(WEB, web, *serve), {"PATH": path}))
        for name in ("api", "worker"):
            command = contained(PUBLISHER, data, f"{sys.prefix}/bin/publisher", name)
            start(running(tmp_path / f"{name}.log", command, environ))
        wait_for(f"http://127.0.0.1:{api}/health/ready", tmp_path / "api.log")
        login = {"email": "admin@example.com", "password": password}
        token = httpx.post(f"http://127.0.0.1:{api}/auth/token", json=login, timeout=30).json()["access_token"]
        answer = httpx.post(
            f"http://127.0.0.1:{api}/reviews", headers={"Authorization": f"Bearer {token}"}, timeout=30,
            json={"title": "En un contenedor", "content": "Una **reseña**.", "camera_model": "Nikon Zf"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        page = read_until(f"http://127.0.0.1:{edge}/reviews/en-un-contenedor/", "reseña", seconds=120)
        assert "content-security-policy" in page.headers
    owners = {path.stat().st_uid for path in data.rglob("*")}
    assert owners == {PUBLISHER}


@pytest.mark.parametrize(("user", "path"), [(PUBLISHER, "/x"), (PUBLISHER, "/usr/x"), (WEB, "/etc/x")])
def test_a_container_can_write_nothing_but_its_volume(tmp_path: Path, user: int, path: str) -> None:
    folder = volume(tmp_path / "data", user)
    tried = subprocess.run(contained(user, folder, "touch", path), capture_output=True, text=True, check=False)
    assert tried.returncode != 0
    assert "Read-only file system" in tried.stderr
    assert subprocess.run(contained(user, folder, "touch", f"{VOLUME}/x"), check=False).returncode == 0


def test_root_goes_on_as_the_owner_of_the_data_directory(tmp_path: Path) -> None:
    data = volume(tmp_path / "data", PUBLISHER)
    command = contained(PUBLISHER, data, f"{sys.prefix}/bin/publisher", "init")
    as_root = [_NAMESPACE.partition("exec setpriv")[0] + 'exec "$@"\n' if one == _NAMESPACE else one for one in command]
    environ = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "DATA_DIR": VOLUME, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        as_root,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert f"goes on as the owner of {VOLUME} (user {PUBLISHER})" in made.stderr
    assert {path.stat().st_uid for path in data.rglob("*")} == {PUBLISHER}
