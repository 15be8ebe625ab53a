"""`dvc`, in a child of the warm parent where there is one: `python -m transferline.warm_dvc …`."""

import sys

from transferline.warm import run_in_child


def main() -> None:
    """Exits as DVC does."""
    status = run_in_child("dvc", "transferline.warm_dvc")
    if status is None:
        from dvc.cli import main as dvc

        status = dvc(sys.argv[1:])
    sys.exit(status)


if __name__ == "__main__":
    main()
