"""`make bench`: measures speed, memory and frames on this machine."""

from __future__ import annotations

import os
import platform

from tests.bench import bench_model, bench_native, bench_pipeline, bench_promises


def main() -> None:
    """Runs the benches one after another."""
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    bench_model.main()
    bench_pipeline.main()
    bench_promises.main()
    bench_native.main()


if __name__ == "__main__":
    main()
