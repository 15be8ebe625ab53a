"""`dvc`, in a child of the warm parent where there is one: `python -m transferline.warm_dvc …`."""

import sys
from functools import partial

from transferline.warm import run_in_child


def main() -> None:
    """Exits as DVC does."""
    status = run_in_child("dvc", "transferline.warm_dvc")
    if status is None:
        from dvc.cli import main as dvc

        read_lock_file_plainly()
        status = dvc(sys.argv[1:])
    sys.exit(status)


def read_lock_file_plainly() -> None:
    """Has DVC read `dvc.lock` by ruamel's loader in C before it rewrites it, once for each stage that it runs.

    DVC's own way keeps comments, of which a lock file has none, and is nearly half of what a stage costs around its
    command. What is written is the same, byte for byte.
    """
    from dvc import dvcfile
    from dvc.utils.serialize import _yaml

    dvcfile.modify_yaml = partial(_yaml._modify_data, parser=_yaml.parse_yaml, dumper=_yaml._dump)


if __name__ == "__main__":
    main()
