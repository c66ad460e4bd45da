"""The last step of an image's build: checks the packaged networks, and compiles every module to bytecode.

A start without bytecode costs two seconds of processor time. The bytecode is `unchecked`, so that no file time matters.
"""

import compileall
import hashlib
import py_compile
import sys
import sysconfig
from pathlib import Path


def main(expected: str) -> None:
    """Ends with an error if the packaged networks are not the expected ones: `NAME=SHA256`, separated by spaces."""
    site = Path(sysconfig.get_path("purelib"))
    weights = (site / "reelwright" / "restoration" / "weights").glob("*.safetensors")
    found = {f"{path.stem}={hashlib.sha256(path.read_bytes()).hexdigest()}" for path in weights}
    if not found or found != set(expected.split()):
        sys.exit(f"the packaged networks are {sorted(found)}, and the build argument WEIGHTS has {expected!r}")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(site, quiet=2, workers=0, invalidation_mode=unchecked)


if __name__ == "__main__":
    main(sys.argv[1])
