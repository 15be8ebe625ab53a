"""`python -m transferline`."""

from transferline.cli.main import main

if __name__ == "__main__":
    main()
