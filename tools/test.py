"""The command ``mmvmr test``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='test')
