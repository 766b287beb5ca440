"""The console: pages for people. It reads stored results and records decisions; it never computes a score."""
