"""``python -m kbbench``."""

from kbbench.cli import main

if __name__ == "__main__":
    main(prog_name="kbbench")
