"""The canonical contract: one dataframely schema a table, and the rules between tables."""
