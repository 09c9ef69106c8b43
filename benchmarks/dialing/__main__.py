"""The process that measures: prints its figures as one line of JSON."""

from __future__ import annotations

import json
import sys

import django

from benchmarks.dialing import options

if __name__ == "__main__":
    django.setup()
    from benchmarks.dialing.measuring import measure

    chosen = options(sys.argv[1:])
    print(json.dumps(measure(chosen.calls, chosen.contacts, only_claims=chosen.only_claims)))
