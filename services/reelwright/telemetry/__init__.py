"""What a service tells about itself: metrics, health, logs, progress."""
