"""The command ``mmvmr infer``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='infer')
