"""The command ``mmvmr flops``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='flops')
