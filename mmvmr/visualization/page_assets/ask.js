// Asking on, where a service has made the page.

function startAsking() {
  const form = element('ask');
  if (!form) return;
  const { video, video_id: known } = form.elements;
  video.required = !known.value;
  video.addEventListener('change', () => {
    const file = video.files[0];
    const large = file && file.size > Number(form.dataset.limit);
    video.setCustomValidity(large ? `This video is too large: at most ${(form.dataset.limit / 1e6).toFixed(0)} MB can be sent.` : '');
    video.reportValidity();
    element('asked-video').textContent = file ? '' : element('asked-video').dataset.name;
  });
  element('asked-video').dataset.name = element('asked-video').textContent;
  form.addEventListener('submit', () => {
    element('asking').textContent = video.files.length ? 'Sending the video and looking at it. Long videos take minutes.' : 'Looking for it.';
    form.querySelector('button').disabled = true;
  });
  window.addEventListener('pageshow', () => { // also after a step back
    element('asking').textContent = '';
    form.querySelector('button').disabled = false;
  });
  element('nothing').textContent = 'Choose a video, and write what to look for.';
}
