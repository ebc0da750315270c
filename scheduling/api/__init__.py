"""The REST API: read input, call one act, show output."""
