"""Starts a worker again whenever it ends, as a service manager does: `python -m tests.chaos.tended worker --processes 1`.

A worker that finds no database when it starts says so and ends. Whoever kills this process group kills both.
"""

import subprocess
import sys
import time

PAUSE = 1.0

if __name__ == "__main__":
    while True:
        subprocess.run([sys.executable, "-m", "tests.chaos.child", *sys.argv[1:]], check=False)
        time.sleep(PAUSE)
