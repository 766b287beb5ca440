"""`python -m benchmarks.state`: see `bench`."""

if __name__ == "__main__":
    # Worker processes import this module too, and need nothing of it.
    from benchmarks.state.bench import main

    main()
