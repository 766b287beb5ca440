"""How good the answers are: accuracy; and whether a night is like those before it."""
