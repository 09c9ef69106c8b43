"""Reading secrets: from `NAME`, or from the file that `NAME_FILE` names."""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured


def read_secret(env: environ.Env, name: str, *, default: str) -> str:
    """The secret's text without surrounding white space.

    Raises:
        ImproperlyConfigured: `NAME_FILE` names a file that cannot be read, or both forms are set.
    """
    path = env.str(f"{name}_FILE", "")
    if not path:
        return str(env.str(name, default))
    if env.str(name, ""):
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE cannot be read ({error.strerror}): check the path and rights."
        ) from None
