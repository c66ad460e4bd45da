"""Leases frame batches to workers and follows each batch until it is restored or given up."""
