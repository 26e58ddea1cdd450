"""The command ``mmvmr convert-official``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='convert-official')
