"""When Python looks for objects that hold each other: seldom, in a process that is ours alone.

By default it looks at the youngest after each 700, which costs a start with its imports a tenth, and at all when the
process ends, which takes a third of a second after a night. What is large here are tables, which end as soon as nobody
refers to them.
"""

from __future__ import annotations

import atexit
import gc

SELDOM = (100_000, 50, 100)
"""After so many new objects at the youngest, after so many of those looks at the older, and then at all."""


def collect_seldom() -> None:
    """For the rest of this process; not for one that only imports cis_ews."""
    gc.set_threshold(*SELDOM)
    atexit.register(gc.freeze)  # all memory is given back at once
