"""`make test`: the whole suite on the embedded default, then what touches the database once more on PostgreSQL.

Each half has two parts. Tests that start whole platforms mostly wait: they run file by file, so that a file's platform
is started once, on one process more than there are cores. The others are spread test by test.
Options go to pytest. `--only sqlite` or `--only postgres` runs one half.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bridge.lines.nginx import DEBIAN, nginx_binary
from tests.servers import start_broker, start_postgres

OUTSIDE_SERVERS = ("DATABASE_URL", "REDIS_URL", "TEST_REDIS_URL")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
PLATFORMS = ("tests/e2e", "tests/history")
FILE_BY_FILE = ("-n", "3", "--dist", "loadfile")
TEST_BY_TEST = ("-n", "2", "--dist", "load")
# What does not touch the database behaves the same on any: once is enough for it.
PLATFORMS_ON_POSTGRES = (
    "tests/history/test_histories.py",
    "tests/e2e/test_campaign_by_api.py",
    "tests/e2e/test_kills.py",
)
ON_POSTGRES = ("tests/campaigns", "tests/bridge/calls")


def main(arguments: list[str]) -> int:
    only = ""
    if "--only" in arguments:
        at = arguments.index("--only")
        only = arguments[at + 1]
        del arguments[at : at + 2]
    ensure_chromium()
    ensure_nginx()
    codes = []
    started_s = time.monotonic()
    if only in ("", "sqlite"):
        codes += run_half("SQLite and the embedded broker", {}, arguments, PLATFORMS, ("tests",))
    if only in ("", "postgres"):
        with start_postgres() as url, start_broker() as redis_url:
            servers = {"DATABASE_URL": url, "TEST_REDIS_URL": redis_url}
            codes += run_half("PostgreSQL and Redis", servers, arguments, PLATFORMS_ON_POSTGRES, ON_POSTGRES)
    print(f"\ntests took {time.monotonic() - started_s:.0f} s", flush=True)
    return max(codes)


def run_half(
    title: str,
    environment: dict[str, str],
    arguments: list[str],
    platforms: tuple[str, ...],
    others: tuple[str, ...],
) -> list[int]:
    """Both parts of one half, or just what `arguments` name; pytest's exit codes."""
    if arguments:
        return [run_pytest(title, environment, [*TEST_BY_TEST, *arguments])]
    spared = [f"--ignore={path}" for path in PLATFORMS]
    return [
        run_pytest(f"{title}: whole platforms", environment, [*FILE_BY_FILE, *platforms]),
        run_pytest(title, environment, [*TEST_BY_TEST, *spared, *others]),
    ]


def run_pytest(title: str, environment: dict[str, str], arguments: list[str]) -> int:
    print(f"\n=== {title} ===", flush=True)
    clean = {name: value for name, value in os.environ.items() if name not in OUTSIDE_SERVERS}
    command = [sys.executable, "-m", "pytest", "--durations", "20", *arguments]
    return subprocess.run(command, env={**clean, **environment}, check=False).returncode


def ensure_chromium() -> None:
    """Install Chromium from Debian where this may be done; else say what will be skipped."""
    if any(shutil.which(name) for name in CHROMIUM_NAMES):
        return
    if os.getuid() == 0 and shutil.which("apt-get"):
        print("installing Chromium for the browser tests", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        installed = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "chromium"], check=False, stdout=subprocess.DEVNULL
        )
        if installed.returncode == 0:
            return
    if os.environ.get("CI"):
        sys.exit("Chromium is needed here and could not be installed: nothing may be skipped in CI.")
    print("No Chromium on this machine and no right to install one: the browser tests are skipped.", flush=True)


def ensure_nginx() -> None:
    """Unpack Debian's nginx beside the environment where there is none: installed, it would begin to serve."""
    if nginx_binary() is not None or not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    print("unpacking nginx for the tests behind a proxy", flush=True)
    download = ["apt-get", "download", "-qq", "nginx"]
    with tempfile.TemporaryDirectory(prefix="trunkline-nginx-") as directory:
        if subprocess.run(download, cwd=directory, check=False, stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=False, stderr=subprocess.DEVNULL)
            subprocess.run(download, cwd=directory, check=False, stderr=subprocess.DEVNULL)
        for package in Path(directory).glob("nginx_*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(DEBIAN)], check=False)
    if nginx_binary() is None:
        print("No nginx could be had: the tests behind a proxy are skipped.", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
