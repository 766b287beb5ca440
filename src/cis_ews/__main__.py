"""`cis-ews` and `python -m cis_ews`: the command line, or what to install where its extra is missing."""

from __future__ import annotations

import sys

from cis_ews.garbage import collect_seldom
from cis_ews.interrupts import INTERRUPTED

CLI_PACKAGES = frozenset({"typer", "rich", "structlog", "pydantic_settings"})


def main() -> None:
    """Run the command line."""
    collect_seldom()
    try:
        from cis_ews.cli import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in CLI_PACKAGES:
            raise
        sys.exit(f"The command line needs the package {missing.name}; install it: pip install 'cis_ews[cli,store]'")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: the command was not begun.\n")
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
