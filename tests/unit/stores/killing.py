"""Works on a data directory and is killed at random moments, again and again.

    python -m tests.unit.stores.killing DATA TURNS write|retire [FIRST-TURN]

Several may run beside each other, with turns of their own. Prints a line for each request that was
acknowledged: its number and its receipt.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.unit.stores.writing import retired, serve, writing

from situs.stores.signatory import Pace

SMALL = Pace(group_s=0.003, group_lines=16, segment_bytes=60_000)


def write(data: Path, turn: int) -> None:
    number = turn * 1_000_000
    with writing(data, SMALL) as writer:
        while True:
            number += 1
            os.write(1, f"{number} {serve(writer, number)}\n".encode())


def retire(data: Path, turn: int) -> None:
    retired(data)


def main(data: Path, turns: int, work: str, first: int = 0) -> None:
    for turn in range(first, first + turns):
        pid = os.fork()
        if not pid:
            try:
                {"write": write, "retire": retire}[work](data, turn)
            finally:
                os._exit(0)
        at_most = 0.02 if work == "retire" else 0.1
        time.sleep(0.6 if turn % 5 == 4 and work == "write" else random.uniform(0.0, at_most))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
