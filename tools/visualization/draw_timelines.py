"""The command ``mmvmr timelines``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='timelines')
