"""The controller: turns `Restoration` and `Catalog` resources of Kubernetes into titles and reports their progress."""
