"""Writes a `.env` with random secrets where there is none. Run as `python -m config.dotenv`."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

TEMPLATE = """\
# Written at the first start; yours to edit. Every name is in docs/reference/settings.md.
SECRET_KEY={secret_key}
ADMIN_PASSWORD={admin_password}

# A real PSR account (both together); without them only the bundled simulator can be dialed.
#PSR_BASE_URL=https://psr.example.com
#PSR_TOKEN=
#PUBLIC_WS_URL=wss://voice.example.com
"""


def write_dotenv(path: Path) -> bool:
    """True when a new file was written (mode 0600); an existing one is left as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            TEMPLATE.format(secret_key=secrets.token_urlsafe(48), admin_password=secrets.token_urlsafe(12)),
        )
    return True


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / ".env"
    if write_dotenv(target):
        sys.stdout.write(f"wrote {target.name} with new random secrets\n")
