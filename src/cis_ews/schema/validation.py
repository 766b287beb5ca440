"""Checks school data against the contract; rows that break a rule become rejections."""
