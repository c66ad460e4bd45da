"""What a service tells about itself: metrics, health, logs, progress. Depends on nothing else in the package."""
