"""The command line: commands, and nothing else. Each parses arguments, calls other packages, and prints.

Importing it imports neither FFmpeg nor a network runtime: each command loads what it uses.
"""
