"""Files wherever they lie: folders, objects, sources read by range, claim checks. The only place with fsspec."""
