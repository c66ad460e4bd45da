"""Files on local disks and in object stores: folders, sources read by range, retries. The only place with fsspec."""
