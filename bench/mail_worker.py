"""A sender in a process of its own: for each line on its standard input it sends what is due, and prints how many."""

from __future__ import annotations

import sys
from datetime import datetime

import django


def main(port: int, now: datetime) -> None:
    from .mails import deliver_all

    print("ready", flush=True)
    for _line in sys.stdin:
        print(deliver_all(port, now), flush=True)


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
