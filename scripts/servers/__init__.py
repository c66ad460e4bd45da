"""Real servers for tests, demonstrations and benches, each started here without a container."""
