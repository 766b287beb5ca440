"""Engines: who carries the passes of a night over the parts of an extract."""
