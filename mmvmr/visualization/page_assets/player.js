// The video, or its frames where the browser cannot play it: one clock for both.

const player = {
  video: null, duration: 0, time: 0, moment: null, playing: false, playable: false, strip: null, listeners: [],
};

function startPlayer() {
  const video = element('video');
  video.addEventListener('loadedmetadata', () => {
    player.playable = true;
    if (player.time) video.currentTime = player.time;
    if (player.playing) video.play().catch(pause);
    showStage();
  });
  video.addEventListener('error', () => { player.playable = false; showStage(); });
  video.addEventListener('ended', pause);
  element('play').addEventListener('click', togglePlay);
  element('screen').addEventListener('click', togglePlay);
}

/** Get the video of a query ready at the start of a moment, or of the video; nothing is played. */
function loadVideo(videoId, duration, moment) {
  const known = VIDEOS.get(videoId);
  const time = moment ? moment[0] : 0;
  pause();
  Object.assign(player, { duration, moment });
  if (player.video === videoId) return seek(time);
  const video = element('video');
  Object.assign(player, { video: videoId, time, playable: false, strip: null });
  video.removeAttribute('src');
  if (known) {
    video.src = known.source;
    if (known.strip) loadStrip(videoId, known.strip);
  } else {
    video.load();
  }
  showStage();
  return seek(time);
}

function loadStrip(videoId, strip) {
  const picture = new Image();
  picture.onload = () => {
    if (player.video !== videoId) return;
    player.strip = { ...strip, picture };
    showStage();
    seek(player.time);
  };
  picture.src = `data:image/jpeg;base64,${strip.jpeg}`;
}

/** Show what there is, and say what there is not. */
function showStage() {
  const known = VIDEOS.get(player.video);
  element('video').hidden = !player.playable;
  element('still').hidden = player.playable || !player.strip;
  element('screen').hidden = !player.playable && !player.strip;
  element('play').disabled = !player.playable && !player.strip;
  element('playable').textContent = player.playable ? '' : !known ? 'There is no file of this video beside the page.'
    : `${player.strip ? 'Frames only: this' : 'This'} browser cannot play ${known.name}. `
      + 'It may have moved, or have a codec that browsers lack; H.264 plays everywhere.';
  player.listeners.forEach((listener) => listener());
}

function seek(time) {
  player.time = Math.min(Math.max(time, 0), player.duration);
  if (player.playable) element('video').currentTime = player.time;
  showTime();
}

/** Play a moment to its end. */
function playMoment(moment) {
  pause();
  player.moment = moment;
  seek(moment[0]);
  togglePlay();
}

function togglePlay() {
  if (player.playing) return pause();
  if (!player.playable && !player.strip) return undefined;
  if (player.time >= player.duration - 0.05) seek(0);
  const [first, end] = player.moment || [0, 0]; // from inside the moment, it is played to its end
  const inside = player.time >= first - 0.05 && player.time < end - 0.05;
  player.playing = true;
  if (player.playable) element('video').play().catch(pause);
  let before = performance.now();
  const tick = (now) => {
    if (!player.playing) return;
    if (player.playable) player.time = element('video').currentTime;
    else player.time += (now - before) / 1000;
    before = now;
    if (inside && player.time >= end) {
      if (!element('loop').checked) pause();
      seek(element('loop').checked ? first : end);
    }
    if (player.time >= player.duration) pause();
    showTime();
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  return showTime();
}

function pause() {
  player.playing = false;
  element('video').pause();
  showTime();
}

function showTime() {
  const time = Math.min(player.time, player.duration);
  element('play').textContent = player.playing ? 'Pause' : 'Play';
  element('clock').textContent = `${clock(time, player.duration)} / ${clock(player.duration, player.duration)}${unit(player.duration)}`;
  const fraction = player.duration ? time / player.duration : 0;
  element('timeline').style.setProperty('--now', fraction);
  if (!player.playable && player.strip) drawFrame(element('still'), time);
}

/** The frame that is nearest to a time, on a canvas of its size. */
function drawFrame(canvas, time) {
  const { picture, times, width, height } = player.strip;
  Object.assign(canvas, { width, height });
  canvas.getContext('2d').drawImage(picture, nearest(times, time) * width, 0, width, height, 0, 0, width, height);
}

function nearest(times, time) {
  return times.reduce((best, other, at) => (Math.abs(other - time) < Math.abs(times[best] - time) ? at : best), 0);
}
