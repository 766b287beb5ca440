"""What a night over a whole state costs, stage by stage, beside other tools in the same run: `make bench-state`."""
