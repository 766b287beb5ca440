"""What people do about flags, and who may: no web, no SQL."""
