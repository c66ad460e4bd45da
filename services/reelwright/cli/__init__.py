"""The command line. Importing it imports neither FFmpeg nor a network runtime; commands load what they use."""
