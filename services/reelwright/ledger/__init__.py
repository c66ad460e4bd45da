"""The one durable truth: plan, segment records, manifest and report of each run."""
