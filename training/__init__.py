"""Training: fit, compare, log, register and promote a model of risk. An application over the library."""
