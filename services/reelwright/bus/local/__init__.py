"""The bus in one process, in memory."""
