"""Run several things at a time from one thread."""
import time
from typing import Dict, Iterator

from tqdm import tqdm


def run_side_by_side(jobs: Dict[str, Iterator[str]], num: int, bar: tqdm, pause: float = 0.2) -> Dict[str, Exception]:
    """Work through jobs in order, ``num`` at a time, and go on where one fails. An interrupt ends those that run.

    Args:
        jobs: By name; each is an iterator that starts something in the background, yields where it is until that has
            ended, and ends it when closed.
        bar: Shows how many have ended and where the others are.
        pause: Seconds between two looks.

    Returns:
        The errors of the jobs that failed, by name.
    """
    waiting, active, failures = list(jobs), {}, {}
    try:
        while waiting or active:
            while waiting and len(active) < num:
                name = waiting.pop(0)
                active[name] = jobs[name]
            places = []
            for name, job in list(active.items()):
                try:
                    places.append(f'{name} {next(job)}')
                except StopIteration:
                    bar.write(f'{name} is finished')
                except Exception as error:  # whatever it is, it must not stop the others
                    failures[name] = error
                    bar.write(f'{name} has failed')
                else:
                    continue
                del active[name]
                bar.update()
            bar.set_postfix_str('; '.join(places), refresh=False)
            bar.update(0)  # draws, if it is time to
            time.sleep(pause)
    finally:
        for job in active.values():
            job.close()
    return failures
