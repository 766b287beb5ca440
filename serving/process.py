"""The worker's own process: it ends with its parent, and its garbage collector leaves alone what stays."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys

from cis_ews.garbage import collect_seldom

PR_SET_PDEATHSIG = 1


def end_with_the_parent() -> None:
    """Stop as after SIGTERM when the parent is killed: BentoML's worker would go on, holding the port and the store."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def freeze() -> None:
    """Keep what is loaded by now out of the collector's walks: one request in a hundred would wait 0.1 s for them."""
    gc.collect()
    gc.freeze()
    collect_seldom()
