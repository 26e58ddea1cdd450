"""The service: what is asked over HTTP, and what is answered."""
import asyncio
import contextlib
import secrets
import time
from typing import AsyncIterator, Dict, List, NamedTuple, Optional, Sequence, Tuple

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message

from mmvmr.service.guard import Guard
from mmvmr.service.model_process import VIDEO, ModelProcess, Question, Refused
from mmvmr.service.uploads import Upload, Uploads
from mmvmr.utils.text_files import split_lines
from mmvmr.visualization.page import empty_page

FIELDS = ('video', 'video_id', 'sentence', 'top_k', 'min_confidence')
SENTENCES, LETTERS = 100, 1000  # sentences of a request, and letters of one, at most


class Limits(NamedTuple):
    """What the service takes at most."""
    upload: int  # bytes of a request
    seconds: float  # for an upload, and for an answer
    waiting: int  # requests that wait while one is answered


def make_app(model: ModelProcess, uploads: Uploads, limits: Limits, hosts: Sequence[str] = ()) -> Starlette:
    """The service as an ASGI application.

    Args:
        hosts: Names under which it may be asked, beside ``localhost`` and numbers.
    """
    service = _Service(model, uploads, limits)
    return Starlette(
        routes=[Route('/', service.face), Route('/', service.ask, methods=['POST']),
                Route('/v1/moments', service.moments, methods=['POST']), Route('/v1/health', service.health),
                Route('/videos/{video}/video', service.video), Route('/videos/{video}/{page}', service.page)],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: service.refuse, Exception: service.fail}, lifespan=service.lifespan)


class _Service:

    def __init__(self, model: ModelProcess, uploads: Uploads, limits: Limits) -> None:
        self.model, self.uploads, self.limits = model, uploads, limits
        self.asked = 0  # requests that are taken, answered or not
        self.turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        sweeping = asyncio.create_task(self._sweep())
        yield
        sweeping.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(60, self.uploads.seconds))
            self.uploads.sweep()

    async def face(self, request: Request) -> Response:
        """The page, without an answer."""
        del request
        return HTMLResponse(self._face())

    async def ask(self, request: Request) -> Response:
        """What the form of the page sends: leads to a page with the answers."""
        form: Dict = {}
        try:
            upload, _, page = await self._answer(request, form, with_page=True)
        except HTTPException as error:
            known = self.uploads.get(form.get('video_id', ''))
            text = self._face([error.detail], '\n'.join(form.get('sentences', ())), known)
            return HTMLResponse(text, error.status_code, error.headers)
        return RedirectResponse(f'/videos/{upload.id}/{page}#query=1', 303)

    async def moments(self, request: Request) -> Response:
        """The answer of ``mmvmr infer --json``, and the id under which the video is kept."""
        upload, answer, _ = await self._answer(request, {}, with_page=False)
        return JSONResponse(dict(answer, video_id=upload.id))

    async def health(self, request: Request) -> Response:
        """Whether the service is at work, and what it takes."""
        del request
        return JSONResponse(dict(status='ok', model=self.model.model.name, videos=len(self.uploads), asked=self.asked,
                                 max_upload=self.limits.upload, timeout=self.limits.seconds,
                                 max_queue=self.limits.waiting))

    async def video(self, request: Request) -> Response:
        """A video, also in parts, so that a browser can jump in it."""
        return FileResponse(self._known(request).folder / VIDEO, media_type='video/mp4')

    async def page(self, request: Request) -> Response:
        """The answers to one question."""
        upload, name = self._known(request), request.path_params['page']
        if name not in upload.pages:
            raise HTTPException(404, 'There is no such page, or no longer.')
        return FileResponse(upload.folder / name, media_type='text/html')

    def _known(self, request: Request) -> Upload:
        upload = self.uploads.get(request.path_params['video'])
        if upload is None:
            raise HTTPException(404, 'There is no such video, or no longer. Send it again.')
        return upload

    def refuse(self, request: Request, error: HTTPException) -> Response:
        """An error, as a page to those who look at one."""
        if request.url.path.startswith('/v1/'):
            return JSONResponse(dict(error=error.detail), error.status_code, error.headers)
        return HTMLResponse(self._face([error.detail]), error.status_code, error.headers)

    def fail(self, request: Request, error: Exception) -> Response:
        """A fault of the program; the server writes the rest into its log."""
        return self.refuse(request, HTTPException(500, str(error) if isinstance(error, RuntimeError) else
                                                  'The service has failed; its log says more.'))

    def _face(self, problems: Sequence[str] = (), sentences: str = '', video: Optional[Upload] = None) -> str:
        return empty_page(self.model.model.name, [dict(error=problem) for problem in problems],
                          self._form(sentences, video))

    def _form(self, sentences: str = '', video: Optional[Upload] = None) -> Dict:
        return dict(video_id=video.id if video else '', video=video.name if video else '', sentences=sentences,
                    limit=self.limits.upload)

    async def _answer(self, request: Request, kept: Dict, with_page: bool) -> Tuple[Upload, Dict, str]:
        """The video, the answer, and the name of the page.

        Args:
            kept: Is given what was asked, also where that cannot be answered.
        """
        if self.asked > self.limits.waiting:
            raise HTTPException(503, f'{self.asked} requests are answered or wait already. Try again in a moment.',
                                {'Retry-After': '10'})
        self.asked += 1
        try:
            form = await self._read(request)
            try:
                _check_fields(form)
                kept.update(video_id=str(form.get('video_id', '')), sentences=_sentences(form))
                upload, new = await self._video(form)
                kept.update(video_id=upload.id)
                question = Question(str(upload.folder), upload.name, kept['sentences'],
                                    _number(form, 'top_k', 5, 1, 100, int), _number(form, 'min_confidence', 0.0, 0, 1),
                                    f'{secrets.token_urlsafe(8)}.html' if with_page else '',
                                    self._form('\n'.join(kept['sentences']), upload) if with_page else None)
            finally:
                await form.close()
            return upload, await self._in_turn(request, upload, question, new), question.page
        finally:
            self.asked -= 1

    async def _read(self, request: Request) -> FormData:
        """What was sent, if it is not too much and does not come too slowly."""
        too_large = HTTPException(413, f'The video is too large: at most {_size(self.limits.upload)} can be sent. Cut '
                                       'it, or encode it smaller; the service has the option --max-upload.')
        length = request.headers.get('content-length', '')
        if length.isdigit() and int(length) > self.limits.upload:
            raise too_large
        taken = 0

        async def receive() -> Message:
            nonlocal taken
            message = await request.receive()
            taken += len(message.get('body', b''))
            if taken > self.limits.upload:
                raise too_large
            return message

        try:
            async with asyncio.timeout(self.limits.seconds):
                return await Request(request.scope, receive).form(max_files=1, max_fields=SENTENCES + 10,
                                                                  max_part_size=SENTENCES * (4 * LETTERS + 2))
        except TimeoutError as error:
            raise HTTPException(408, f'The video did not arrive within {self.limits.seconds:g} s.') from error
        except ClientDisconnect as error:
            raise HTTPException(400, 'The connection has ended.') from error

    async def _video(self, form: FormData) -> Tuple[Upload, bool]:
        """The video of a form, and whether it has come with it."""
        file, video_id = form.get('video'), form.get('video_id')
        if isinstance(file, UploadFile) and (file.filename or file.size):
            if not file.size:
                raise HTTPException(422, f'"{file.filename}" is empty. Send a video.')
            return await asyncio.to_thread(self.uploads.add, file.file, file.filename or ''), True
        if not isinstance(video_id, str) or not video_id:
            raise HTTPException(422, 'There is no video. Send one as the file `video`, or say the `video_id` of one '
                                     'that was sent before.')
        upload = self.uploads.get(video_id)
        if upload is None:
            raise HTTPException(404, 'There is no video of this `video_id`, or no longer. Send it again.')
        return upload, False

    async def _in_turn(self, request: Request, upload: Upload, question: Question, new: bool) -> Dict:
        """Ask the model when all that came before is answered; a new video that is of no use is deleted."""
        upload.questions += 1
        try:
            async with self._turn(request):
                answer = await asyncio.to_thread(self.model.ask, question)
            upload.pages.add(question.page)
            return answer
        except (Refused, ClientDisconnect) as error:
            if new and not (isinstance(error, Refused) and error.readable):
                self.uploads.remove(upload)
            raise HTTPException(422, str(error)) from error
        finally:
            upload.questions -= 1
            upload.used = time.monotonic()

    @contextlib.asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        """The time in which one request alone asks the model; a client that is gone gives up its place."""
        gone, turn = (asyncio.ensure_future(one) for one in (_gone(request), self.turn.acquire()))
        try:
            await asyncio.wait((gone, turn), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientDisconnect
            yield
        finally:
            gone.cancel()
            if turn.done():
                self.turn.release()
            turn.cancel()


async def _gone(request: Request) -> None:
    """Wait until nobody waits for the answer."""
    while (await request.receive())['type'] != 'http.disconnect':
        pass


def _check_fields(form: FormData) -> None:
    if not form:
        raise HTTPException(422, 'Nothing was sent that can be read. Send a form (multipart/form-data) with the file '
                                 '`video` and a field `sentence`; JSON is not read.')
    unknown = set(form) - set(FIELDS)
    if unknown:
        raise HTTPException(422, f'`{min(unknown)}` is no field of the form. It has {", ".join(FIELDS)}.')


def _sentences(form: FormData) -> List[str]:
    """The lines of all fields ``sentence``, each once."""
    fields = [text for text in form.getlist('sentence') if isinstance(text, str)]
    found = list(dict.fromkeys(line.strip() for text in fields for line in split_lines(text) if line.strip()))
    if not found:
        raise HTTPException(422, 'There is no sentence to look for. Send at least one in the field `sentence`.')
    if len(found) > SENTENCES or max(map(len, found)) > LETTERS:
        raise HTTPException(422, f'At most {SENTENCES} sentences of {LETTERS} letters can be asked at once; these are '
                                 f'{len(found)}, and the longest has {max(map(len, found))} letters.')
    return found


def _number(form: FormData, name: str, default: float, low: float, high: float, kind: type = float) -> float:
    text = form.get(name, default)
    try:
        value = kind(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not low <= value <= high:
        raise HTTPException(422, f'`{name}` must be a number from {low} to {high}, got {text!r}.')
    return value


def _size(count: float) -> str:
    return f'{count / 1e6:,.0f} MB' if count >= 1e6 else f'{count:,.0f} bytes'
