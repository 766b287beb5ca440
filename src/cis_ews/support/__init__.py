"""What people do about a flag: who may, from which state to which, and what follows. No web and no SQL."""
