"""A night over parts of an extract: ranges of students, each worked on by itself; no byte hangs on the parts."""
