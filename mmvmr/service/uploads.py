"""Videos that were sent to the service, in a temporary folder, until their time has come."""
import re
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Dict, Optional, Set

from mmvmr.service.model_process import VIDEO

MOST = 16  # videos that are kept at once


@dataclass
class Upload:
    """A video in a folder of its own, with the pages about it."""
    id: str
    folder: Path
    name: str  # what the sender calls it: never a path, but to be shown
    used: float = 0.0  # when it was, last
    questions: int = 0  # that wait for an answer
    pages: Set[str] = field(default_factory=set)  # names of their files


class Uploads:
    """All of them. Names of files and folders are made here; nothing that was sent becomes part of a path.

    Args:
        seconds: After which a video that nobody asks for is deleted, with its pages.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.folder = Path(tempfile.mkdtemp(prefix='mmvmr_serve_'))
        self._videos: Dict[str, Upload] = {}

    def close(self) -> None:
        """Delete all of them, and the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._videos)

    def get(self, video_id: str) -> Optional[Upload]:
        """The video of that id, which is then kept for longer; None if it is not there, or no longer."""
        self.sweep()
        upload = self._videos.get(video_id)
        if upload is not None:
            upload.used = time.monotonic()
        return upload

    def add(self, file: BinaryIO, name: str) -> Upload:
        """Keep a copy of a file; the video that was not used for longest gives way where there are too many."""
        upload = Upload(secrets.token_urlsafe(16), Path(), readable_name(name), time.monotonic())
        upload.folder = self.folder / upload.id
        upload.folder.mkdir()
        try:
            with open(upload.folder / VIDEO, 'wb') as target:
                shutil.copyfileobj(file, target, 1 << 20)
        except OSError:
            shutil.rmtree(upload.folder)
            raise
        self._videos[upload.id] = upload
        self.sweep()
        return upload

    def remove(self, upload: Upload) -> None:
        """Delete a video and its pages."""
        self._videos.pop(upload.id, None)
        shutil.rmtree(upload.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what nobody has asked for in time, and what is too much; never a video that is waited for.

        Others may be added by another thread in the meantime.
        """
        idle = sorted((one for one in list(self._videos.values()) if not one.questions), key=lambda one: one.used)
        late = [one for one in idle if one.used < time.monotonic() - self.seconds]
        for upload in {one.id: one for one in [*late, *idle[:max(len(self._videos) - MOST, 0)]]}.values():
            self.remove(upload)


def readable_name(name: str) -> str:
    """What a sender calls a file, to be shown: without folders and without letters that cannot be seen.

    Example:
        >>> readable_name('../../etc/pass\\nwd'), readable_name('C:\\\\films\\\\kitchen.mp4'), readable_name('')
        ('passwd', 'kitchen.mp4', 'video')
    """
    last = re.split(r'[/\\]', name)[-1]
    return ''.join(letter for letter in last if letter.isprintable())[:100].strip(' .') or 'video'
