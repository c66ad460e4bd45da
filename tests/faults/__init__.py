"""The fault campaign: whatever dies, freezes, fills up or lies, every film comes out whole and bit-identical.

`python -m tests.faults --faults N --seed S` runs it; `docs/reliability.md` tells what it does and what came out.
"""
