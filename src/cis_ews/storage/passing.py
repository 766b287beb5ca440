"""Folders for the while of one process, outside of any store; what a killed process left goes with the next one."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cis_ews.storage.files import remove

_PREFIX = "cis_ews-passing-"
_OWNER = re.compile(rf"{_PREFIX}(\d+)-")


@contextmanager
def passing_folder() -> Generator[Path]:
    """A folder that only its owner may open, removed at the end. Records of children go into it."""
    clear_passing()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def clear_passing() -> int:
    """Remove such folders of processes of this machine and user that are no more; how many."""
    left = [path for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _is_left(path)]
    for path in left:
        remove(path)
    return len(left)


def _is_left(path: Path) -> bool:
    found = _OWNER.match(path.name)
    if found is None or path.lstat().st_uid != os.getuid():
        return False
    try:
        os.kill(int(found.group(1)), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
