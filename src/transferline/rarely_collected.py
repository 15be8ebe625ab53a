"""`python -m transferline.rarely_collected MODULE …`: the module with garbage collection a hundred times as rare, which
finds next to nothing while much is imported, and is a sixth of the import.
"""

import gc
import runpy
import sys

if __name__ == "__main__":
    gc.set_threshold(100_000, 10, 10)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
