"""A model in a process of its own: a video that ends it, or takes too long, ends nothing else."""
import json
import multiprocessing
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence

from tqdm import tqdm

VIDEO = 'video'  # the file of a video in its folder
SURE = 0.5  # confidence from which on a page gives a moment


class Model(NamedTuple):
    """What is needed to open a model; see :class:`~mmvmr.apis.inferencer.MomentRetrievalInferencer`."""
    run: Optional[str]
    checkpoint: Optional[str] = None
    zero_shot: Optional[str] = None
    device: Optional[str] = None

    @property
    def name(self) -> str:
        return Path(self.run or self.zero_shot).resolve().name


class Question(NamedTuple):
    """Sentences to look for in a video."""
    folder: str  # of the video, which is the file :data:`VIDEO` in it
    name: str  # what results call the video
    queries: Sequence[str]
    top_k: int = 5
    min_confidence: float = 0.0
    page: str = ''  # name of a page to write into the folder; it gives no moments below :data:`SURE`
    ask: Optional[Dict[str, Any]] = None  # of :func:`~mmvmr.visualization.page.write_page`


class Refused(ValueError):
    """A question that cannot be answered, and why.

    Attributes:
        readable: Whether the video can be used, and other sentences may be answered.
    """

    def __init__(self, message: str, readable: bool = False) -> None:
        super().__init__(message)
        self.readable = readable


class ModelProcess:
    """Answers one question after the other. What passes between the processes is text: a damaged one can send no code.

    Args:
        model: What to open.
        seconds: For an answer, at most. A model that takes longer is ended, and opened anew for the next question.
    """

    def __init__(self, model: Model, seconds: float) -> None:
        self.model, self.seconds, self.closed = model, seconds, False
        self._process: Optional[multiprocessing.Process] = None
        self._connection: Optional[Connection] = None

    def start(self) -> None:
        """Open the model.

        Raises:
            ValueError: If it cannot be opened.
        """
        context = multiprocessing.get_context('spawn')
        self._connection, far_end = context.Pipe()
        self._process = context.Process(target=_answer_all, args=(far_end, self.model), daemon=True)
        self._process.start()
        far_end.close()
        try:
            kind, message = json.loads(self._connection.recv_bytes())
        except EOFError:
            kind, message = 'failed', 'The process of the model has ended while it was opened.'
        if kind != 'ready':
            self.stop()
            raise ValueError(message)

    def ask(self, question: Question) -> Dict:
        """What :class:`~mmvmr.apis.inferencer.MomentRetrievalInferencer` answers.

        Raises:
            Refused: If the question cannot be answered, takes too long, or ends the process.
            RuntimeError: If there is a fault in the program.
        """
        if not self.closed and (self._process is None or not self._process.is_alive()):
            self.start()
        try:
            self._connection.send_bytes(json.dumps(question).encode())
            if not self._connection.poll(self.seconds):
                self.stop()
                raise Refused(f'"{question.name}" took longer than {self.seconds:g} s, so it was given up. Cut the '
                              'video, or ask for fewer sentences; the service has the option --timeout.')
            kind, answer = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            self.stop()
            if self.closed:
                raise Refused('The service was ended before this was answered.') from error
            raise Refused(f'"{question.name}" has ended the process that looked at it: it may be damaged, or need more '
                          'memory than there is.') from error
        if kind == 'refused':
            raise Refused(*answer)
        if kind == 'failed':
            raise RuntimeError(answer)
        return answer

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def close(self) -> None:
        """End the process for good: what is asked now, or later, is refused."""
        self.closed = True
        self.stop()


def _answer_all(connection: Connection, model: Model) -> None:
    """What the process does until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the service ends this one
    tqdm.set_lock(threading.RLock())  # of bars of this process: one among processes would outlive its end, by a kill
    try:
        answers = _Answers(model)
    except Exception as error:
        if not isinstance(error, (OSError, ValueError, KeyError, ImportError)):  # whose message says enough
            traceback.print_exc()
        connection.send_bytes(json.dumps(['failed', str(error)]).encode())
        return
    reply = 'ready', ''
    while True:
        connection.send_bytes(json.dumps(reply).encode())
        try:
            question = Question(*json.loads(connection.recv_bytes()))
        except EOFError:
            return
        try:
            reply = 'answer', answers(question)
        except (FileNotFoundError, ValueError) as error:
            path = str(Path(question.folder, VIDEO))
            text = str(error).replace(path, question.name).replace(f'"{VIDEO}"', f'"{question.name}"')
            reply = 'refused', [text, question.folder in answers.features]
        except Exception as error:
            traceback.print_exc()
            reply = 'failed', f'{type(error).__name__}: the log of the service says more.'


class _Answers:
    """The model, and the features of the videos that are still there."""

    def __init__(self, model: Model) -> None:
        from mmvmr.apis import MomentRetrievalInferencer
        self.title = model.name
        self.inferencer = (MomentRetrievalInferencer.zero_shot(model.zero_shot, model.device, show_progress=False)
                           if model.zero_shot else
                           MomentRetrievalInferencer(model.run, model.checkpoint, model.device, show_progress=False))
        self.features: Dict[str, Any] = {}

    def __call__(self, question: Question) -> Dict:
        from mmvmr.apis.page_records import page_records
        from mmvmr.visualization.page import write_page
        self.features = {folder: features for folder, features in self.features.items() if Path(folder).exists()}
        if question.folder not in self.features:
            features = self.inferencer.read(Path(question.folder, VIDEO))
            self.features[question.folder] = features._replace(name=question.name)
        records, least = [], question.min_confidence

        def keep(features, found):
            records.extend(page_records(self.inferencer, features, found))

        if question.page and self.inferencer.confidence:
            least = max(least, SURE)
        answer = self.inferencer(self.features[question.folder], question.queries, question.top_k,
                                 min_confidence=least, on_video=keep if question.page else None)
        if question.page:
            write_page(Path(question.folder, question.page), records, title=self.title, note=question.name,
                       videos={question.name: Path(question.folder, VIDEO)}, problems=answer['errors'],
                       ask=question.ask)
        return answer
