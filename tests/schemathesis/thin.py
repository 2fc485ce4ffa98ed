"""Fewer systematic requests: of those that differ in a value alone (five wrong types of one parameter), the first.

What all calls share, headers and tags, is read by the same code for each: it counts once for each method.
"""

import collections

SHARED = ("systemTags", "userTags", "tagUuids")
# What is shared is asked of so many times more operations.
SHARED_TIMES = 3


class Thin:
    """Keeps `repeats` requests of a kind."""

    def __init__(self, repeats):
        self.repeats = repeats
        self.seen = collections.Counter()

    def keeps(self, case, name):
        """Whether a request is sent; generated ones always are."""
        phase = case.meta.phase if case.meta else None
        if phase is None or phase.name.value != "coverage":
            return True
        data = phase.data
        location = str(getattr(data, "parameter_location", None))
        about = str(getattr(data, "description", None))
        shared = location.endswith("HEADER") or any(word in about for word in SHARED)
        whose = (case.method,) if shared else (name, getattr(data, "parameter", None))
        kind = (*whose, location, str(getattr(data, "scenario", None)), about)
        self.seen[kind] += 1
        return self.seen[kind] <= self.repeats * (SHARED_TIMES if shared else 1)
