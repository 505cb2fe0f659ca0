"""`python -m chancery.demo.nginx CONFIG --with-parent=PID`: becomes an nginx that ends with the demo, however that ends."""

from __future__ import annotations

import os
import sys

from chancery_bot.posix import end_with

PROGRAM = "/usr/sbin/nginx"


def main(config: str, parent: str) -> None:
    """Run nginx in this process's place."""
    end_with(int(parent.removeprefix("--with-parent=")))
    os.execv(PROGRAM, [PROGRAM, "-c", config])  # noqa: S606  our own loopback server, no shell wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
