"""How good the answers are: accuracy, equity."""
