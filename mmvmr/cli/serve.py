"""Let others use a model: a page in a browser, and an address for programs.

    mmvmr serve work_dirs/mmvmr_best_moving_shapes
    mmvmr serve --zero-shot clip-vit-base-patch32
    mmvmr serve                                    # the small model of `mmvmr demo`

Open the address that is printed, choose a video and write sentences. Programs post to /v1/moments (docs/inference.md).
By default this computer alone can ask. Videos that are sent lie in a temporary folder, and are deleted when nobody has
asked for them for an hour, and at the end. A config is Python and is run: read one from a stranger before you use it.
"""
import argparse
import signal
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Optional

from mmvmr.cli.main import CHOSEN, Parser, at_least
from mmvmr.engine.run.places import find_model, no_run

_DEMO = Path(__file__).parents[1] / 'apis' / 'demo_files' / 'mmvmr_best_moving_shapes'


def add_arguments(parser: Parser) -> None:
    parser.add_argument('run', nargs='?', help='folder of a run, or a checkpoint in it; or a config, with --checkpoint')
    parser.add_argument('--zero-shot', metavar='MODEL', help='instead of a run, as in `mmvmr infer`')
    parser.add_argument('--checkpoint', type=Path, help=f'of the run, by default {CHOSEN}')
    parser.add_argument('--device', help='e.g. cpu or cuda:0; by default a GPU if there is one')
    parser.add_argument('--host', default='127.0.0.1', help='where to listen: 0.0.0.0 lets all of the network ask')
    parser.add_argument('--port', type=at_least(0, most=65535), default=8000, help='8000; 0 for any that is free')
    parser.add_argument('--allow-host', nargs='+', action='extend', default=[], metavar='NAME',
                        help='names under which others ask, beside localhost and numbers')
    parser.add_argument('--max-upload', type=at_least(1e-3, float), default=1024, metavar='MB',
                        help='size of a video, at most (1024)')
    parser.add_argument('--timeout', type=at_least(1, float), default=600, metavar='SECONDS',
                        help='for an upload, and for an answer, at most (600)')
    parser.add_argument('--max-queue', type=at_least(0), default=8, metavar='N',
                        help='requests that wait while one is answered, at most (8)')
    parser.add_argument('--keep', type=at_least(1e-3, float), default=60, metavar='MINUTES',
                        help='how long a video that nobody asks for is kept (60)')


def run(args: argparse.Namespace) -> None:
    if args.run and args.zero_shot:
        raise ValueError('With --zero-shot there is no run; give one of both.')
    if args.checkpoint and not args.run:
        raise ValueError('--checkpoint belongs to a run, and there is none.')
    args.run = args.run or (None if args.zero_shot else str(_DEMO))
    if args.run:
        find_model(args.run, args.checkpoint)
    if args.checkpoint and not args.checkpoint.exists():
        raise no_run(args.checkpoint, 'checkpoint')
    try:
        import python_multipart  # noqa: F401  starlette reads forms with it
        import uvicorn

        from mmvmr.service.app import Limits, make_app
    except ModuleNotFoundError as error:
        if error.name not in ('python_multipart', 'starlette', 'uvicorn'):
            raise
        raise ModuleNotFoundError(f'`mmvmr serve` needs {error.name}, which is not installed: pip install '
                                  '-c requirements/constraints.txt -e ".[serve]", in the checkout of mmvmr.') from error
    from mmvmr.service.model_process import Model, ModelProcess
    from mmvmr.service.uploads import Uploads
    opened = Model(args.run, str(args.checkpoint) if args.checkpoint else None, args.zero_shot, args.device)
    model = ModelProcess(opened, args.timeout)
    with listen(args.host, args.port) as listening, closing(Uploads(60 * args.keep)) as uploads:
        model.start()
        limits = Limits(round(args.max_upload * 1e6), args.timeout, args.max_queue)
        app = make_app(model, uploads, limits, [args.host, *args.allow_host])

        class Server(uvicorn.Server):

            def handle_exit(self, sig: int, frame: Optional[FrameType]) -> None:
                super().handle_exit(signal.SIGTERM, frame)  # by a second Ctrl-C it would leave before it has cleaned up

            async def shutdown(self, sockets=None) -> None:
                model.close()  # nobody waits for what is being answered
                await super().shutdown(sockets)

        server = Server(uvicorn.Config(app, log_level='warning', server_header=False, timeout_graceful_shutdown=5))
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, server.handle_exit)
        host = f'[{args.host}]' if ':' in args.host else args.host
        print(f'{opened.name} answers at http://{host}:{listening.getsockname()[1]} until Ctrl-C.', flush=True)
        server.run(sockets=[listening])


def listen(host: str, port: int):
    """A socket at that place.

    Raises:
        ValueError: If the host is empty, which would stand for all of the network.
        OSError: If something else is there, or it is no place of this computer.
    """
    import socket
    if not host:
        raise ValueError('--host is empty. Leave it out to answer this computer alone, or give 0.0.0.0 for all of the '
                         'network.')
    try:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise OSError(f'Nothing can listen at {host}, port {port}: {error.strerror or error}. Choose another --port, '
                      'or --host; 0 is any port that is free.') from error
