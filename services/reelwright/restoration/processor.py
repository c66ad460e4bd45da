"""Names the processor's instruction set, which decides on the last bit of a network's result."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

# The widest set that a processor has decides which code the runtimes choose. Flags as in Linux's /proc/cpuinfo.
_SETS = (
    ("amx", {"amx_tile", "amx_bf16"}),
    ("avx512bf16", {"avx512_bf16"}),
    ("avx512", {"avx512f", "avx512bw", "avx512vl", "avx512dq"}),
    ("avx2", {"avx2", "fma"}),
    ("avx", {"avx"}),
    ("sse4", {"sse4_1"}),
    ("sve", {"sve"}),
    ("neon", {"asimd"}),
)
# oneDNN, which computes for OpenVINO and for torch on a CPU, uses no wider set than this variable names.
_LIMIT = "ONEDNN_MAX_CPU_ISA"


@cache
def instruction_set() -> str:
    """The instruction set that networks are computed with, e.g. `avx2`, as one word of an engine's identity.

    Measured with `reel-s` on one machine: the results with AVX2 and with AVX differ by 1.2e-7, so films may differ in a
    bit. A limit set by ONEDNN_MAX_CPU_ISA is part of the word: `avx2:max=avx`.
    """
    flags = _processor_flags()
    found = next((name for name, needed in _SETS if needed <= flags), platform.machine().lower())
    limit = os.environ.get(_LIMIT, "").lower()
    return f"{found}:max={limit}" if limit else found


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    # x86 has a line "flags", ARM a line "Features". All cores of a machine have the same.
    return next(
        (set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))), set()
    )
