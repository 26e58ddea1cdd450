"""The command ``mmvmr plot-results``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='plot-results')
