"""The command ``mmvmr plot-training``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='plot-training')
