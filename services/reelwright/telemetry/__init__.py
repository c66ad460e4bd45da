"""What a service reports about itself: metrics, health, logs, progress."""
