"""See an answer at once, without training, data or network.

    mmvmr demo
    mmvmr demo "A green box rises." "A yellow star spins."

A small trained model and a video of half a minute come with mmvmr. The answers are printed, and shown by a page with
the video, which is opened in a browser. The video shows shapes that move; docs/moving_shapes.md says more of them.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, build_parser, module_of

SENTENCES = ('A green box rises.', 'A green triangle is blinking.', 'We see an orange triangle getting smaller.',
             'A yellow star spins.', 'A man opens the fridge.')
_FILES = Path(__file__).parents[1] / 'apis' / 'demo_files'


def add_arguments(parser: Parser) -> None:
    parser.add_argument('sentences', nargs='*', metavar='sentence', help='what to look for; by default five sentences, '
                        'of which one is not in the video and one cannot be read')
    parser.add_argument('--out', type=Path, metavar='FOLDER', help='where the page and the video go (a new folder for '
                        'temporary files)')
    parser.add_argument('--no-browser', action='store_true', help='write the page, and open nothing')


def run(args: argparse.Namespace) -> None:
    import shlex
    import shutil
    import tempfile
    import webbrowser
    out = args.out or Path(tempfile.mkdtemp(prefix='mmvmr_demo_'))
    if args.out and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f'"{out}" exists. Choose another folder.')
    out.mkdir(parents=True, exist_ok=True)
    video, page = out / 'shapes.mp4', out / 'page.html'
    shutil.copyfile(_FILES / 'shapes.mp4', video)
    command = [str(_FILES / 'mmvmr_best_moving_shapes'), str(video), '--top-k', '3', '--min-confidence', '0.5',
               '--html', str(page)]
    sentences = args.sentences or list(SENTENCES)
    print(f'mmvmr infer {shlex.join([*command, *sentences])}', flush=True)
    module_of('infer').run(build_parser('infer').parse_args([*command, *sentences]))
    if not args.no_browser and webbrowser.open(page.absolute().as_uri()):
        print('The page is open in a browser.')
