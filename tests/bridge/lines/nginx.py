"""An nginx with the configuration that docs/how-to/connect-a-vendor.md tells people to use."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config import embedded_broker

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/connect-a-vendor.md"
# Where tests/run.py unpacks packages of Debian's.
DEBIAN = Path(sys.prefix, "debian")
PLACES = (DEBIAN / "usr/sbin/nginx", Path("/usr/sbin/nginx"))
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_binary() -> str | None:
    """The nginx of this machine; None where there is none."""
    return shutil.which("nginx") or next((str(place) for place in PLACES if place.exists()), None)


def documented_location() -> str:
    """The page's `location`, as it stands there."""
    block = re.search(r"```nginx\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1]


@asynccontextmanager
async def proxying(port: int, directory: Path, read_timeout: str = "3600s") -> AsyncIterator[int]:
    """Proxies to the bridge on `port` until left; the port it listens on. The page's `read_timeout` unless given."""
    location = documented_location()
    assert location.count("127.0.0.1:8000") == location.count("3600s") == 1
    location = location.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("3600s", read_timeout)
    listens_on = embedded_broker.free_port()
    paths = "\n".join(f"{name}_temp_path {directory}/{name};" for name in TEMPORARY)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr error; events {{}}\n"
        f"http {{ access_log off;\n{paths}\nserver {{ listen 127.0.0.1:{listens_on};\n{location} }} }}\n",
        encoding="utf-8",
    )
    binary = nginx_binary()
    assert binary is not None
    process = await asyncio.create_subprocess_exec(binary, "-p", str(directory), "-c", str(configuration))
    try:
        await _listens(process, listens_on)
        yield listens_on
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        assert process.returncode is None, "nginx did not start"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            await writer.wait_closed()
            return
