"""Fetching: what another system holds, asked of it over HTTP and kept as a source that a reader reads."""
