"""How the tables came to be, one module a step; alembic runs them from inside the package."""
