"""``python -m mmvmr`` is the command ``mmvmr``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main()
