"""`python -m transferline`."""

from transferline.cli import main

if __name__ == "__main__":
    main()
