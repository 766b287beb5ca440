"""The service: REST for school systems, and a page for people."""
