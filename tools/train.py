"""The command ``mmvmr train``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='train')
