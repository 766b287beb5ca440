"""How good the answers are: accuracy, equity; and whether a night is like those before it."""
