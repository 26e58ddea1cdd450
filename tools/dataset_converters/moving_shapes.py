"""The command ``mmvmr moving-shapes``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='moving-shapes')
