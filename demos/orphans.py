"""Kills a node and reads from the simulator's journal when each of its jobs goes on elsewhere.

orphans.py JOURNAL PID JOBS: ends with 1 if not all of them did within two minutes.
"""

import os
import signal
import sys
import time

SLICES_PER_S = 2
BAR = 50
PATIENCE_S = 120


def histogram(title, times):
    """Prints how many of these times, in s, fell into each slice."""
    times = sorted(times)
    print(f"\n{title}: half of them within {times[len(times) // 2]:.2f} s, 99 % within "
          f"{times[max(0, -(-len(times) * 99 // 100) - 1)]:.2f} s, all within {times[-1]:.2f} s")
    slices = {}
    for at in times:
        slices[int(at * SLICES_PER_S)] = slices.get(int(at * SLICES_PER_S), 0) + 1
    for at in range(min(slices), max(slices) + 1):
        many = slices.get(at, 0)
        print(f"  {at / SLICES_PER_S:5.1f} s {many:6} {'█' * -(-many * BAR // max(slices.values()))}")


def main():
    path, pid, jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    first, begun, saved = {}, {}, {}
    with open(path, encoding="ascii") as journal:
        for line in journal:
            job, _, token, what = line.split()
            if what == "start":
                first.setdefault(job, int(token))
        assert len(first) == jobs, f"{len(first)} of {jobs} jobs have begun"
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        rest = ""
        while len(saved) < jobs:
            since = time.monotonic() - killed
            if since > PATIENCE_S:
                missing = jobs - len(saved)
                print(f"{missing} jobs saved no checkpoint elsewhere within {PATIENCE_S} s", file=sys.stderr)
                return 1
            *lines, rest = (rest + journal.read()).split("\n")
            since = time.monotonic() - killed
            for line in lines:
                job, _, token, what = line.split()
                if int(token) > first[job] and what in ("start", "checkpoint"):
                    (begun if what == "start" else saved).setdefault(job, since)
            time.sleep(0.005)
    histogram("Begun elsewhere", begun.values())
    histogram("First checkpoint there", saved.values())
    return 0


sys.exit(main())
