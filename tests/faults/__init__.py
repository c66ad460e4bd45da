"""The fault campaign: processes, servers, network, disks and messages fail while titles are restored.

`python -m tests.faults --faults N --seed S` runs a campaign. Each film must be complete and bit-identical to a film
restored without faults. `docs/reliability.md` describes the faults and the results.
"""
